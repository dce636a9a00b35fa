// The source tree, as the rules of lint.h see it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace ktrial::dev {

bool is_code(const std::filesystem::path& path);
bool below_testdata(const std::string& path);
// Tests, and what only they use: fakes, helpers named testing, whole folders.
bool is_test(const std::filesystem::path& path);

// Every regular file of the tree by its path below root, sorted; no build output, no .git.
std::vector<std::string> files_of(const std::filesystem::path& root);
std::vector<std::string> lines_of(const std::filesystem::path& path);
std::string at(const std::string& file, std::size_t line);  // counted from 0: "FILE:LINE+1: "

// Line by line what a compiler acts on: without comments, and without the literals that are text
// for people (those with a blank in them).
std::vector<std::string> code_of(const std::filesystem::path& path);

}  // namespace ktrial::dev
