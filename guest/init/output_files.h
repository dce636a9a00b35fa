// What a command left in its output folder, for the host: its folders and regular files, bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "guest/wire/wire.h"

namespace ktrial::init {

// In the initramfs; a root shows it as /run/output.
inline constexpr char kOutputFolder[] = "/ktrial-output";

// Piece by piece, so that whoever sends it can heed a slow host.
class OutputFiles {
 public:
  OutputFiles(const wire::ReadFiles& most, std::string folder = kOutputFolder);
  ~OutputFiles();
  OutputFiles(const OutputFiles&) = delete;
  OutputFiles& operator=(const OutputFiles&) = delete;

  // The next piece; FilesEnd is the last one, nothing comes after it.
  std::optional<wire::Message> next();

 private:
  void look_into(const std::string& below, int depth);
  std::optional<wire::Message> next_piece();
  std::string problem() const;

  const std::string folder_;
  std::uint64_t bytes_left_, files_left_;
  std::deque<wire::GuestFile> found_;  // without bytes
  int fd_ = -1;                        // of the first of them
  std::uint64_t others_ = 0, unread_ = 0;
  bool cut_ = false, ended_ = false;
};

}  // namespace ktrial::init
