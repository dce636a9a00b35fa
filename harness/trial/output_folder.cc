#include "harness/trial/output_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::trial {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestPart = 255, kMostParts = 64;

std::string_view last_part(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  return slash == name.npos ? name : name.substr(slash + 1);
}

}  // namespace

bool is_plain_name(std::string_view name) {
  const auto parts = split(name, '/');
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  const bool whole = !name.empty() && !name.starts_with('/') && !name.ends_with('/') &&
                     name.find("//") == name.npos;
  return whole && parts.size() <= kMostParts && std::ranges::none_of(name, is_control) &&
         std::ranges::all_of(parts, [](std::string_view part) {
           return !part.empty() && part != "." && part != ".." && part.size() <= kLongestPart;
         });
}

Status OutputFolder::open(const fs::path& folder, const OutputBounds& bounds) {
  bounds_ = bounds;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return usage_error("output: " + folder.string() + ": " + error.message());
  root_ = KTRIAL_TRY(open_file(folder, O_RDONLY | O_DIRECTORY));
  return {};
}

bool OutputFolder::take(const wire::Message& message) {
  if (const auto* file = std::get_if<wire::GuestFile>(&message)) {
    if (root_ && !end_) add(*file);
  } else if (const auto* end = std::get_if<wire::FilesEnd>(&message)) {
    end_ = *end;
    file_.reset();
  } else {
    return false;
  }
  return true;
}

// Part by part, through no link: one that stands there is the user's, and leads elsewhere.
Result<Fd> OutputFolder::folder_of(std::string_view name) const {
  Fd at(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 3));
  const auto parts = split(name, '/');
  for (std::size_t i = 0; at && i + 1 < parts.size(); ++i) {
    const std::string part(parts[i]);
    ::mkdirat(at.get(), part.c_str(), 0755);
    at = Fd(::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  if (!at) return fail_errno(std::string(name), errno);
  return at;
}

// A file that was there before this trial gives way; a link is removed, not followed.
Status OutputFolder::begin(const wire::GuestFile& file) {
  const Fd at = KTRIAL_TRY(folder_of(file.name));
  const std::string last(last_part(file.name));
  if (file.kind == wire::FileKind::folder) {
    if (::mkdirat(at.get(), last.c_str(), 0755) == 0 || errno == EEXIST) return {};
    return fail_errno(file.name, errno);
  }
  ::unlinkat(at.get(), last.c_str(), 0);
  const int mode = file.kind == wire::FileKind::program ? 0755 : 0644;
  file_ = Fd(
      ::openat(at.get(), last.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file_) return fail_errno(file.name, errno);
  return {};
}

void OutputFolder::add(const wire::GuestFile& file) {
  const auto refuse = [&](const std::string& why) {
    file_.reset();
    if (trouble_.empty()) trouble_ = why;
  };
  if (file.name != current_ || file.kind == wire::FileKind::folder) {
    file_.reset();
    current_ = file.name;
    if (!is_plain_name(file.name)) return refuse("a name that is none was refused");
    if (names_.size() >= bounds_.files) return refuse("there are more files than are taken");
    if (!names_.insert(file.name).second) return refuse(file.name + " came twice");
    if (auto begun = begin(file); !begun) return refuse(begun.error().message);
  }
  if (!file_) return;
  if (file.bytes.size() > bounds_.bytes - bytes_)
    return refuse("there are more bytes than are taken");
  bytes_ += file.bytes.size();
  if (auto written = write_all(file_.get(), file.bytes, file.name); !written)
    refuse(written.error().message);
}

}  // namespace ktrial::trial
