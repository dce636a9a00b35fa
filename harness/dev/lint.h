// Rules of the source tree that a compiler does not check. Run as tests with the
// label `lint`; each returns what is wrong as "FILE:LINE: message", sorted.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ktrial::dev {

using Findings = std::vector<std::string>;

// #include lines obey the rank table of docs/architecture.md: a folder includes
// itself and folders of lower rank, the guest's code nothing of the harness.
Findings check_includes(const std::filesystem::path& root);

// No path of one machine (somebody's home, a build area), no private host or
// package mirror: the tree must mean the same everywhere. Test data is exempt.
Findings check_portability(const std::filesystem::path& root);

// No source file over `limit` lines but those in `allowed` (paths below root);
// an entry that is not needed any more is reported too.
Findings check_lengths(const std::filesystem::path& root, std::size_t limit,
                       const std::set<std::string>& allowed);

// No function of product code over `limit` lines, but in files of `allowed`, each with a reason; an
// entry that is not needed any more is reported, too.
Findings check_functions(const std::filesystem::path& root, std::size_t limit,
                         const std::map<std::string, std::string>& allowed);

// No units that include each other in a circle: a unit is the header and the source of one name.
// Each circle once, as a path with the places of its includes.
Findings check_cycles(const std::filesystem::path& root);

// Words that product code may hold in few places only.
struct WordRule {
  std::string pattern;  // RE2
  std::string what;     // is wrong
  // Beginnings of paths where it may stand, each with the reason.
  std::vector<std::pair<std::string, std::string>> exceptions;
};
// Comments, texts for people and tests are exempt. An exception that is not needed any more is
// reported, too.
Findings check_words(const std::filesystem::path& root, const WordRule& rule);
WordRule no_x86_words();         // but where the code is about x86
WordRule no_waits_of_seconds();  // but in spec/timeouts

}  // namespace ktrial::dev
