#include "harness/kernel/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <vector>

#include "harness/base/file.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMaxUnpacked = std::uint64_t{8} << 30;  // bytes of one package
constexpr std::size_t kBlock = 1 << 18;

using Reader = std::unique_ptr<archive, decltype(&archive_read_free)>;

// Never archive_read_support_filter_all(): it may start other programs.
Reader new_reader() {
  Reader reader(archive_read_new(), archive_read_free);
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  return reader;
}

std::unexpected<Error> archive_error(archive* reader, const std::string& what) {
  const char* text = archive_error_string(reader);
  return usage_error(what + ": " + (text != nullptr ? text : "corrupt archive"),
                     "the file is damaged or not what its name says; get it again");
}

// "./a//b" -> "a/b"; nothing for a path that leads elsewhere.
std::optional<std::string> clean_path(const char* text) {
  if (text == nullptr || *text == '/') return std::nullopt;
  fs::path clean;
  for (const fs::path& part : fs::path(text)) {
    if (part == "..") return std::nullopt;
    if (part != "." && !part.empty()) clean /= part;
  }
  if (clean.empty()) return std::nullopt;
  return clean.string();
}

Status copy_entry(archive* reader, const fs::path& to, std::uint64_t& budget) {
  Fd fd = KTRIAL_TRY(open_file(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW));
  const void* block = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  for (;;) {
    const int code = archive_read_data_block(reader, &block, &size, &offset);
    if (code == ARCHIVE_EOF) return {};
    if (code < ARCHIVE_WARN) return archive_error(reader, "unpacking " + to.filename().string());
    if (size > budget) return usage_error("package unpacks to more than 8 GiB");
    budget -= size;
    KTRIAL_TRY(write_all(fd.get(), {static_cast<const char*>(block), size}));
  }
}

// The member of the outer ar archive at which `outer` stands, as a stream for
// an inner archive.
la_ssize_t read_member(archive*, void* outer, const void** block) {
  std::size_t size = 0;
  la_int64_t offset = 0;
  for (;;) {
    const int code = archive_read_data_block(static_cast<archive*>(outer), block, &size, &offset);
    if (code == ARCHIVE_EOF) return 0;
    if (code < ARCHIVE_WARN) return -1;
    if (size > 0) return static_cast<la_ssize_t>(size);
  }
}

Result<Reader> open_member(archive* outer, const std::string& name) {
  Reader inner = new_reader();
  archive_read_support_format_tar(inner.get());
  if (archive_read_open(inner.get(), outer, nullptr, read_member, nullptr) != ARCHIVE_OK)
    return archive_error(inner.get(), name);
  return inner;
}

using Wanted = std::function<bool(std::string_view)>;

Result<std::size_t> unpack_data(archive* outer, const std::string& name, const fs::path& directory,
                                const Wanted& wanted) {
  Reader inner = KTRIAL_TRY(open_member(outer, name));
  std::uint64_t budget = kMaxUnpacked;
  std::size_t files = 0;
  archive_entry* entry = nullptr;
  for (;;) {
    const int code = archive_read_next_header(inner.get(), &entry);
    if (code == ARCHIVE_EOF) return files;
    if (code < ARCHIVE_WARN) return archive_error(inner.get(), name);
    const auto path = clean_path(archive_entry_pathname(entry));
    if (!path || archive_entry_filetype(entry) != AE_IFREG || !wanted(*path)) continue;
    if (archive_entry_hardlink(entry) != nullptr) continue;
    const fs::path to = directory / *path;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    if (error) return fail_errno("create " + to.parent_path().string(), error.value());
    KTRIAL_TRY(copy_entry(inner.get(), to, budget));
    ++files;
  }
}

Result<std::string> read_control(archive* outer, const std::string& name) {
  constexpr std::size_t kMaxControl = 1 << 20;
  Reader inner = KTRIAL_TRY(open_member(outer, name));
  archive_entry* entry = nullptr;
  while (archive_read_next_header(inner.get(), &entry) >= ARCHIVE_WARN) {
    if (clean_path(archive_entry_pathname(entry)) != "control") continue;
    std::string control;
    char buffer[1 << 14];
    for (;;) {
      const la_ssize_t n = archive_read_data(inner.get(), buffer, sizeof buffer);
      if (n < 0) return archive_error(inner.get(), name);
      if (n == 0) return control;
      control.append(buffer, static_cast<std::size_t>(n));
      if (control.size() > kMaxControl) return usage_error(name + ": control file over 1 MiB");
    }
  }
  return usage_error(name + " holds no control file");
}

Result<DebContent> unpack_open_deb(archive* outer, const fs::path& directory,
                                   const Wanted& wanted) {
  DebContent content;
  bool data = false;
  archive_entry* entry = nullptr;
  for (;;) {
    const int code = archive_read_next_header(outer, &entry);
    if (code == ARCHIVE_EOF) break;
    if (code < ARCHIVE_WARN) return archive_error(outer, "not a Debian package");
    const std::string name = archive_entry_pathname(entry);
    if (name.starts_with("control.tar")) content.control = KTRIAL_TRY(read_control(outer, name));
    if (name.starts_with("data.tar")) {
      content.files = KTRIAL_TRY(unpack_data(outer, name, directory, wanted));
      data = true;
    }
  }
  if (content.control.empty() || !data)
    return usage_error("not a Debian package: it lacks a control or data member",
                       "name a .deb file that holds a kernel");
  return content;
}

}  // namespace

Result<std::string> read_maybe_compressed(const fs::path& path, std::size_t limit) {
  Reader reader = new_reader();
  archive_read_support_format_raw(reader.get());
  archive_read_support_format_empty(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(reader.get(), path.c_str(), kBlock) != ARCHIVE_OK) {
    const int error = archive_errno(reader.get());
    return fail_errno("open " + path.string(), error > 0 ? error : EIO);
  }
  const int code = archive_read_next_header(reader.get(), &entry);
  if (code == ARCHIVE_EOF) return std::string();
  if (code < ARCHIVE_WARN) return archive_error(reader.get(), path.string());
  std::string bytes;
  std::vector<char> buffer(kBlock);
  for (;;) {
    const la_ssize_t n = archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (n < 0) return archive_error(reader.get(), path.string());
    if (n == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(n) > limit)
      return usage_error(path.string() + " unpacks to more than " + std::to_string(limit) +
                         " bytes");
    bytes.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

Result<DebContent> unpack_deb(const fs::path& deb, const fs::path& directory,
                              const Wanted& wanted) {
  Reader outer(archive_read_new(), archive_read_free);
  archive_read_support_format_ar(outer.get());
  if (archive_read_open_filename(outer.get(), deb.c_str(), kBlock) != ARCHIVE_OK) {
    const int error = archive_errno(outer.get());
    if (error == ENOENT || error == EACCES || error == EISDIR)
      return fail_errno(deb.string(), error, ErrorKind::usage);
    auto failed = archive_error(outer.get(), "not a Debian package");
    return std::unexpected(std::move(failed).error().in(deb.string()));
  }
  auto content = unpack_open_deb(outer.get(), directory, wanted);
  if (!content) return std::unexpected(std::move(content).error().in(deb.string()));
  return content;
}

}  // namespace ktrial::kernel
