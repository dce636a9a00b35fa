#include "harness/guest_image/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <system_error>

#include "harness/base/file.h"
#include "harness/kernel/archive.h"

namespace ktrial::guest_image {
namespace fs = std::filesystem;
namespace {

using Writer = std::unique_ptr<archive, decltype(&archive_write_free)>;
using Header = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;
// By path: parents sort before what is in them, and the order is always the same.
using Tree = std::map<std::string, Entry>;

bool is_clean(const std::string& path) {
  return path.size() > 1 && path[0] == '/' && !path.contains('\0') && !path.ends_with('/') &&
         fs::path(path).lexically_normal() == path;
}

Status add(Tree& tree, Entry entry) {
  if (!is_clean(entry.path))
    return fail(ErrorKind::internal, "initramfs: bad path \"" + entry.path + "\"");
  const auto [present, added] = tree.try_emplace(entry.path, entry);
  if (added || present->second == entry) return {};
  if (std::holds_alternative<Directory>(present->second.content) &&
      std::holds_alternative<Directory>(entry.content)) {
    present->second = std::move(entry);  // an explicit mode wins over the implied one
    return {};
  }
  return fail(ErrorKind::internal, "initramfs: two different entries for " + entry.path);
}

Status add_parents(Tree& tree) {
  std::vector<std::string> missing;
  for (const auto& [path, entry] : tree) {
    for (fs::path parent = fs::path(path).parent_path(); parent != "/";
         parent = parent.parent_path()) {
      const auto present = tree.find(parent.string());
      if (present == tree.end())
        missing.push_back(parent.string());
      else if (!std::holds_alternative<Directory>(present->second.content))
        return fail(ErrorKind::internal, "initramfs: " + path + " lies below " + parent.string() +
                                             ", which is no directory");
    }
  }
  for (const std::string& path : missing) tree.try_emplace(path, Entry{path, Directory{}, 0755});
  return {};
}

std::unexpected<Error> write_failed(archive* writer, const std::string& path) {
  const int error = archive_errno(writer);
  const char* text = archive_error_string(writer);
  return fail(ErrorKind::environment,
              "initramfs: " + path + ": " + (text != nullptr ? text : "cannot be written") +
                  (error > 0 ? " (" + std::generic_category().message(error) + ")" : ""),
              error == ENOSPC ? "free some disk space" : "");
}

Status write_bytes(archive* writer, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const la_ssize_t n = archive_write_data(writer, bytes.data(), bytes.size());
    if (n <= 0) return write_failed(writer, path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

// Streams exactly `size` bytes: the header already said so, and a file that
// changes under us must not shift everything behind it.
Status write_host_file(archive* writer, const std::string& path, const Fd& file,
                       std::uint64_t size) {
  std::vector<char> buffer(1 << 18);
  while (size > 0) {
    const ssize_t n =
        ::read(file.get(), buffer.data(), std::min<std::uint64_t>(buffer.size(), size));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + path, errno);
    if (n == 0) return fail(ErrorKind::environment, path + " shrank while it was read");
    KTRIAL_TRY(write_bytes(writer, path, {buffer.data(), static_cast<std::size_t>(n)}));
    size -= static_cast<std::uint64_t>(n);
  }
  return {};
}

fs::path packed_name(const GuestProgram& program) { return program.path.string() + ".zst"; }
bool is_readable(const fs::path& path) { return ::access(path.c_str(), R_OK) == 0; }

Header new_header(const Entry& entry, unsigned inode) {
  Header header(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(header.get(), entry.path.c_str() + 1);  // the kernel wants no '/'
  archive_entry_set_perm(header.get(), static_cast<mode_t>(entry.mode & 07777));
  archive_entry_set_uid(header.get(), 0);
  archive_entry_set_gid(header.get(), 0);
  archive_entry_set_mtime(header.get(), 0, 0);
  archive_entry_set_ino(header.get(), inode);
  archive_entry_set_nlink(header.get(), 1);
  archive_entry_set_size(header.get(), 0);
  return header;
}

struct ContentWriter {
  archive* writer;
  archive_entry* header;
  const std::string& path;

  Status begin(mode_t type) {
    archive_entry_set_filetype(header, type);
    if (archive_write_header(writer, header) != ARCHIVE_OK) return write_failed(writer, path);
    return {};
  }
  Status operator()(const Bytes& content) {
    archive_entry_set_size(header, static_cast<la_int64_t>(content.bytes.size()));
    KTRIAL_TRY(begin(AE_IFREG));
    return write_bytes(writer, path, content.bytes);
  }
  Status operator()(const HostFile& content) {
    Fd file = KTRIAL_TRY(open_file(content.path, O_RDONLY));
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return fail_errno("stat " + content.path.string(), errno);
    if (!S_ISREG(info.st_mode))
      return fail(ErrorKind::environment, content.path.string() + " is not a regular file");
    archive_entry_set_size(header, info.st_size);
    KTRIAL_TRY(begin(AE_IFREG));
    return write_host_file(writer, content.path.string(), file,
                           static_cast<std::uint64_t>(info.st_size));
  }
  Status operator()(const GuestProgram& content) {
    const fs::path packed = packed_name(content);
    if (!is_readable(packed)) return (*this)(HostFile{content.path});
    return (*this)(Bytes{KTRIAL_TRY(kernel::read_maybe_compressed(packed))});
  }
  Status operator()(const Symlink& content) {
    archive_entry_set_symlink(header, content.target.c_str());
    return begin(AE_IFLNK);
  }
  Status operator()(const Directory&) {
    archive_entry_set_nlink(header, 2);
    return begin(AE_IFDIR);
  }
  Status operator()(const CharDevice& content) {
    archive_entry_set_rdev(header, makedev(content.major, content.minor));
    return begin(AE_IFCHR);
  }
};

Status write_tree(const Tree& tree, int fd) {
  Writer writer(archive_write_new(), archive_write_free);
  if (archive_write_set_format_cpio_newc(writer.get()) != ARCHIVE_OK ||
      archive_write_add_filter_none(writer.get()) != ARCHIVE_OK ||
      archive_write_open_fd(writer.get(), fd) != ARCHIVE_OK)
    return write_failed(writer.get(), "archive");
  unsigned inode = 0;
  for (const auto& [path, entry] : tree) {
    const Header header = new_header(entry, ++inode);
    KTRIAL_TRY(std::visit(ContentWriter{writer.get(), header.get(), path}, entry.content));
  }
  if (archive_write_close(writer.get()) != ARCHIVE_OK) return write_failed(writer.get(), "archive");
  return {};
}

}  // namespace

Entry init_entry(const fs::path& program) { return {"/init", GuestProgram{program}, 0755}; }

Entry workload_entry(const std::string& name, const fs::path& program) {
  return {std::string(kWorkloadsDir) + "/" + name, GuestProgram{program}, 0755};
}

bool is_there(const GuestProgram& program) {
  return is_readable(program.path) || is_readable(packed_name(program));
}

std::vector<Entry> module_entries(std::span<const Module> modules) {
  std::vector<Entry> entries;
  std::string order;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    const std::string number = (i < 10 ? "0" : "") + std::to_string(i);
    const std::string path =
        std::string(kModulesDir) + "/" + number + "-" + modules[i].name + ".ko";
    order += path + "\n";
    entries.push_back({path, Bytes{modules[i].contents}, 0644});
  }
  entries.push_back({kModulesOrder, Bytes{order}, 0644});
  return entries;
}

Status write_initramfs(std::vector<Entry> entries, const fs::path& output) {
  Tree tree;
  // The kernel opens /dev/console for init before anything can be mounted.
  entries.push_back({"/dev/console", CharDevice{5, 1}, 0600});
  entries.push_back({"/dev/null", CharDevice{1, 3}, 0666});
  for (Entry& entry : entries) KTRIAL_TRY(add(tree, std::move(entry)));
  KTRIAL_TRY(add_parents(tree));

  const fs::path temporary = output.string() + ".tmp" + std::to_string(::getpid());
  auto written = [&]() -> Status {
    Fd fd = KTRIAL_TRY(open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC));
    KTRIAL_TRY(write_tree(tree, fd.get()));
    if (::rename(temporary.c_str(), output.c_str()) != 0)
      return fail_errno("rename to " + output.string(), errno);
    return {};
  }();
  if (!written) ::unlink(temporary.c_str());
  return written;
}

}  // namespace ktrial::guest_image
