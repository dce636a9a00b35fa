// A saved log, or one that grows: plain or compressed (gzip, xz, zstd, bzip2), from a file or from
// standard input.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "harness/base/result.h"

namespace ktrial::cli {

class LogReader {
 public:
  // "-": standard input. `follow`: what is read is not the end; the file grows.
  static Result<LogReader> open(const std::string& path, bool follow = false);
  LogReader(LogReader&&) noexcept;
  LogReader& operator=(LogReader&&) noexcept;
  ~LogReader();

  // The next bytes, until the next call; none at the end. Of a stream that grows: waits for them.
  // An error names the file; damaged compressed data are one, after all that could be read.
  Result<std::string_view> read();
  // Of a stream that grows: whether bytes, or the end, come within `time`.
  bool wait(std::chrono::milliseconds time);

 private:
  struct Impl;
  explicit LogReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ktrial::cli
