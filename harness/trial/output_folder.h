// Where the files that a guest sends back are put. The guest is hostile: nothing that it says leads
// out of the folder, through a link, or beyond the bounds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "guest/wire/wire.h"
#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::trial {

struct OutputBounds {
  std::uint64_t bytes = 1ull << 30;  // of all files together
  std::uint64_t files = 20'000;      // and folders
};

// "a/b": parts that are names, none of them "." or "..", without control characters.
bool is_plain_name(std::string_view name);

// Not open: what comes is dropped.
class OutputFolder {
 public:
  // Makes the folder. What is there stays, unless a file of the same name comes.
  Status open(const std::filesystem::path& folder, const OutputBounds& bounds = {});
  bool is_open() const { return static_cast<bool>(root_); }
  // True if the message was one about files.
  bool take(const wire::Message& message);

  const std::optional<wire::FilesEnd>& end() const { return end_; }
  std::uint64_t bytes() const { return bytes_; }
  std::size_t files() const { return names_.size(); }
  // What was not taken, and why; empty: all was.
  const std::string& trouble() const { return trouble_; }

 private:
  void add(const wire::GuestFile& file);
  Result<Fd> folder_of(std::string_view name) const;
  Status begin(const wire::GuestFile& file);

  OutputBounds bounds_;
  Fd root_, file_;
  std::string current_;  // the name of `file_`
  std::set<std::string> names_;
  std::uint64_t bytes_ = 0;
  std::optional<wire::FilesEnd> end_;
  std::string trouble_;
};

}  // namespace ktrial::trial
