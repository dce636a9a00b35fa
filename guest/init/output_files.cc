#include "guest/init/output_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace ktrial::init {
namespace {

constexpr std::size_t kPieceOfFile = 32 * 1024;
constexpr int kDeepest = 64;

std::vector<std::string> names_in(const std::string& path, std::uint64_t most) {
  std::vector<std::string> out;
  DIR* folder = opendir(path.c_str());
  if (!folder) return out;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name != "." && name != ".." && out.size() <= most) out.push_back(name);
  }
  closedir(folder);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

OutputFiles::OutputFiles(const wire::ReadFiles& most, std::string folder)
    : folder_(std::move(folder)), bytes_left_(most.max_bytes), files_left_(most.max_files) {
  look_into("", 0);
}

OutputFiles::~OutputFiles() {
  if (fd_ >= 0) close(fd_);
}

// Nobody changes the tree meanwhile: the command is gone.
void OutputFiles::look_into(const std::string& below, int depth) {
  for (const std::string& entry : names_in(folder_ + "/" + below, files_left_)) {
    const std::string name = below.empty() ? entry : below + "/" + entry;
    struct stat info{};
    if (lstat((folder_ + "/" + name).c_str(), &info) != 0) continue;
    const bool folder = S_ISDIR(info.st_mode);
    if (!folder && !S_ISREG(info.st_mode)) {
      ++others_;
      continue;
    }
    if (files_left_ == 0 || (folder && depth == kDeepest)) {
      cut_ = true;
      return;
    }
    --files_left_;
    const auto file = (info.st_mode & S_IXUSR) ? wire::FileKind::program : wire::FileKind::file;
    found_.push_back({folder ? wire::FileKind::folder : file, name, {}});
    if (folder) look_into(name, depth + 1);
  }
}

std::optional<wire::Message> OutputFiles::next_piece() {
  while (!found_.empty()) {
    wire::GuestFile out = found_.front();
    if (out.kind == wire::FileKind::folder) {
      found_.pop_front();
      return out;
    }
    const bool first = fd_ < 0;
    if (first) fd_ = open((folder_ + "/" + out.name).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd_ < 0) {
      ++unread_;
      found_.pop_front();
      continue;
    }
    out.bytes.resize(std::min<std::uint64_t>(kPieceOfFile, bytes_left_));
    const ssize_t got = read(fd_, out.bytes.data(), out.bytes.size());
    out.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    bytes_left_ -= out.bytes.size();
    if (got < 0) ++unread_;
    if (out.bytes.empty()) {
      struct stat info{};
      if (bytes_left_ == 0 && fstat(fd_, &info) == 0 && lseek(fd_, 0, SEEK_CUR) < info.st_size)
        cut_ = true;
      close(fd_);
      fd_ = -1;
      found_.pop_front();
      if (!first) continue;
    }
    return out;
  }
  return std::nullopt;
}

std::string OutputFiles::problem() const {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (cut_) add("there was more than comes back");
  if (others_ > 0) add(std::to_string(others_) + " links, devices, pipes or sockets were left out");
  if (unread_ > 0) add(std::to_string(unread_) + " files could not be read");
  return out;
}

std::optional<wire::Message> OutputFiles::next() {
  if (ended_) return std::nullopt;
  if (auto piece = next_piece()) return piece;
  ended_ = true;
  return wire::FilesEnd{problem()};
}

}  // namespace ktrial::init
