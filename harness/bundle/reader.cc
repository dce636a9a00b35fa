#include "harness/bundle/reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <optional>

#include "harness/base/file.h"
#include "harness/kernel/digest.h"
#include "results/report/report.h"

namespace ktrial::bundle {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlock = 1 << 18;
constexpr char kAgain[] = "get the bundle again, or ask who made it";
constexpr char kStranger[] =
    "`ktrial report --bundle` does not write such a file: do not trust where it came from";

std::unexpected<Error> refuse(const std::string& what, const char* hint = kStranger) {
  return usage_error(what, hint);
}

// Formats and filters by name: "all" would start other programs.
std::unique_ptr<archive, decltype(&archive_read_free)> new_reader() {
  std::unique_ptr<archive, decltype(&archive_read_free)> out(archive_read_new(), archive_read_free);
  archive_read_support_filter_zstd(out.get());
  archive_read_support_format_tar(out.get());
  return out;
}

class Reading {
 public:
  Reading(archive* reader, Stage stage, const Take& take)
      : reader_(reader), stage_(stage), take_(take) {}

  Result<Manifest> run() {
    KTRIAL_TRY(read_manifest());
    for (const Content& content : manifest_.contents) {
      const Member& known = *member(content.name);
      if (known.stage > stage_) return std::move(manifest_);
      KTRIAL_TRY(expect(known));
      kernel::Sha256 digest;
      KTRIAL_TRY(read_content(known, content.size, [&](std::string_view bytes) -> Status {
        digest.add(bytes);
        return take_(known, bytes);
      }));
      if (digest.hex() != content.sha256)
        return refuse(content.name + " is not what the manifest says: its SHA-256 differs", kAgain);
    }
    archive_entry* entry = nullptr;
    const int code = archive_read_next_header(reader_, &entry);
    if (code == ARCHIVE_EOF) return std::move(manifest_);
    if (code < ARCHIVE_OK) return broken();
    return refuse("it holds a member that its manifest does not name");
  }

 private:
  Status read_manifest() {
    const Member& known = *member(kManifest);
    KTRIAL_TRY(expect(known));
    std::string text;
    KTRIAL_TRY(read_content(known, known.most, [&](std::string_view bytes) -> Status {
      text += bytes;
      return {};
    }));
    manifest_ = KTRIAL_TRY(parse_manifest(text));
    return take_(known, text);
  }

  // The next member is this one, a plain file; its size is left to who reads it.
  Status expect(const Member& known) {
    archive_entry* entry = nullptr;
    const int code = archive_read_next_header(reader_, &entry);
    if (code == ARCHIVE_EOF) return refuse("it ends before " + std::string(known.name), kAgain);
    if (code < ARCHIVE_OK) return broken();
    const char* path = archive_entry_pathname(entry);
    const std::string name = path != nullptr ? path : "";
    if (name != known.name)
      return refuse("where " + std::string(known.name) + " is due, it holds '" +
                    results::printable(name.substr(0, 200)) + "'");
    if (archive_entry_hardlink(entry) != nullptr || archive_entry_symlink(entry) != nullptr ||
        archive_entry_filetype(entry) != AE_IFREG)
      return refuse(name + " is not a plain file");
    if (archive_entry_sparse_count(entry) > 0) return refuse(name + " is a file with holes");
    if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0)
      return refuse(name + " has no size");
    size_ = static_cast<std::uint64_t>(archive_entry_size(entry));
    return {};
  }

  template <class Use>
  Status read_content(const Member& known, std::uint64_t most, Use use) {
    const bool exact = &known != member(kManifest);
    if (exact ? size_ != most : size_ > most)
      return refuse(std::string(known.name) + " has " + std::to_string(size_) + " bytes, not " +
                        (exact ? "" : "at most ") + std::to_string(most),
                    exact ? kAgain : kStranger);
    KTRIAL_TRY(use(std::string_view()));
    std::uint64_t done = 0;
    for (;;) {
      const la_ssize_t n = archive_read_data(reader_, block_.data(), block_.size());
      if (n < 0) return broken();
      if (n == 0) break;
      done += static_cast<std::uint64_t>(n);
      if (done > size_) return refuse(std::string(known.name) + " is longer than its header says");
      KTRIAL_TRY(use(std::string_view(block_.data(), static_cast<std::size_t>(n))));
    }
    if (done != size_) return refuse(std::string(known.name) + " is cut off", kAgain);
    return {};
  }

  std::unexpected<Error> broken() {
    const char* text = archive_error_string(reader_);
    return refuse(std::string("not a bundle, or a damaged one: ") +
                      (text != nullptr ? results::printable(text) : "no tar in zstd"),
                  kAgain);
  }

  archive* reader_;
  Stage stage_;
  const Take& take_;
  Manifest manifest_;
  std::uint64_t size_ = 0;
  std::string block_ = std::string(kBlock, '\0');
};

// Files below one folder, each made once.
class Folder {
 public:
  explicit Folder(fs::path folder) : folder_(std::move(folder)) {}
  Status take(const Member& member, std::string_view bytes) {
    if (open_ != &member) {
      const fs::path path = folder_ / member.name;  // a name of our own table
      std::error_code error;
      fs::create_directories(path.parent_path(), error);
      if (error) return fail_errno("create " + path.parent_path().string(), error.value());
      file_ = KTRIAL_TRY(open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
      open_ = &member;
    }
    return write_all(file_.get(), bytes, folder_ / member.name);
  }

 private:
  fs::path folder_;
  const Member* open_ = nullptr;
  Fd file_;
};

}  // namespace

Result<Manifest> read_bundle(std::string_view bytes, Stage stage, const Take& take) {
  const auto reader = new_reader();
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
    return refuse("not a bundle: no tar in zstd", kAgain);
  return Reading(reader.get(), stage, take).run();
}

Result<Manifest> read_bundle_file(const fs::path& file, Stage stage, const Take& take) {
  auto fd = open_file(file, O_RDONLY | O_NONBLOCK);  // a FIFO would wait for its writer
  if (!fd) {
    fd.error().kind = ErrorKind::usage;
    return std::unexpected(std::move(fd).error().in("bundle"));
  }
  struct stat info{};
  if (::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode))
    return usage_error("bundle: " + file.string() + " is not a plain file");
  const auto reader = new_reader();
  auto manifest = [&]() -> Result<Manifest> {
    if (archive_read_open_fd(reader.get(), fd->get(), kBlock) != ARCHIVE_OK)
      return refuse("not a bundle: no tar in zstd", kAgain);
    return Reading(reader.get(), stage, take).run();
  }();
  if (!manifest) return std::unexpected(std::move(manifest).error().in(file.string()));
  return manifest;
}

Result<Manifest> unpack_bundle(const fs::path& file, Stage stage, const fs::path& folder) {
  Folder files(folder);
  return read_bundle_file(file, stage, [&](const Member& member, std::string_view bytes) {
    return files.take(member, bytes);
  });
}

}  // namespace ktrial::bundle
