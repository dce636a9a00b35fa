#include "harness/vm/template_store.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::vm {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostRoom = 4ull << 30;  // bytes
constexpr std::string_view kLock = ".lock", kNew = ".new", kDead = ".dead";
constexpr char kSizes[] = "sizes";  // the last file of a template: what the others have

// Bytes of memory that it occupies.
std::uint64_t occupied(const fs::path& folder) {
  std::uint64_t out = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    struct stat info{};
    if (::stat(entry.path().c_str(), &info) == 0)
      out += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return out;
}

std::string sizes_of(const fs::path& folder) {
  std::string out;
  for (const char* name : {"ram", "devices", "console"}) {
    std::error_code error;
    const auto size = fs::file_size(folder / name, error);
    if (error) return "";
    out += std::string(name) + " " + std::to_string(size) + "\n";
  }
  return out;
}

Status check_folder(const fs::path& folder) {
  struct stat info{};
  if (::lstat(folder.c_str(), &info) != 0) return fail_errno(folder.string(), errno);
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077) != 0)
    return fail(ErrorKind::environment, folder.string() + " is no folder of yours alone",
                "remove it, or name another in KTRIAL_TEMPLATES");
  return {};
}

// Free and whole size of what holds the folder.
Result<std::pair<std::uint64_t, std::uint64_t>> memory_of(const fs::path& folder) {
  struct statfs info{};
  if (::statfs(folder.c_str(), &info) != 0) return fail_errno(folder.string(), errno);
  if (info.f_type != TMPFS_MAGIC && info.f_type != RAMFS_MAGIC)
    return fail(ErrorKind::environment, folder.string() + " is not in memory (tmpfs)",
                "name a folder that is in KTRIAL_TEMPLATES, or use --start cold");
  const auto block = static_cast<std::uint64_t>(info.f_bsize);
  return std::pair(info.f_bavail * block, info.f_blocks * block);
}

bool is_key(std::string_view name) {
  return !name.empty() && name.find('.') == std::string_view::npos;
}

}  // namespace

TemplateStore::Options TemplateStore::default_options() {
  if (const char* named = std::getenv("KTRIAL_TEMPLATES"); named != nullptr && *named != '\0')
    return {.folder = named};
  return {.folder = "/dev/shm/ktrial-" + std::to_string(::geteuid())};
}

Result<TemplateStore> TemplateStore::open(const Options& options) {
  if (::mkdir(options.folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno("templates: " + options.folder.string(), errno);
  KTRIAL_TRY(check_folder(options.folder));
  const auto [available, whole] = KTRIAL_TRY(memory_of(options.folder));
  TemplateStore store(options);
  if (store.options_.room == 0) store.options_.room = std::min(kMostRoom, whole / 4);
  store.sweep(0);
  return store;
}

fs::path TemplateStore::lock_file(const std::string& key) const {
  return options_.folder / (key + std::string(kLock));
}

// Nothing: somebody else has it. A lock file that was removed meanwhile is no lock.
std::optional<Fd> TemplateStore::lock(const std::string& key, int how) const {
  const fs::path path = lock_file(key);
  for (;;) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd || ::flock(fd.get(), how | LOCK_NB) != 0) return std::nullopt;
    struct stat held{}, there{};
    if (::fstat(fd.get(), &held) == 0 && ::stat(path.c_str(), &there) == 0 &&
        held.st_ino == there.st_ino)
      return fd;
  }
}

bool TemplateStore::is_whole(const std::string& key) const {
  const fs::path folder = options_.folder / key;
  const auto sizes = read_file(folder / kSizes, 4096);
  return sizes && !sizes->empty() && *sizes == sizes_of(folder);
}

Result<TemplateStore::Entry> TemplateStore::take(const std::string& key) {
  const fs::path folder = options_.folder / key;
  if (is_whole(key)) {
    auto shared = lock(key, LOCK_SH);
    if (!shared || !is_whole(key)) return Busy{};
    ::utimensat(AT_FDCWD, (folder / kSizes).c_str(), nullptr, 0);  // it is used
    return Lease{folder, *std::move(shared)};
  }
  auto alone = lock(key, LOCK_EX);
  if (!alone || is_whole(key)) return Busy{};  // it is whole by now: the next call takes it
  return Making{options_.folder / (key + std::string(kNew)), key, lock_file(key),
                *std::move(alone)};
}

Status TemplateStore::prepare(const Making& making, std::uint64_t bytes) {
  std::error_code error;
  fs::remove_all(options_.folder / making.key, error);
  fs::remove_all(making.folder, error);
  sweep(bytes);
  const auto room = KTRIAL_TRY(memory_of(options_.folder));
  if (bytes > options_.room || bytes > room.first)
    return fail(ErrorKind::environment, "templates: no room for a machine of " +
                                            std::to_string(bytes >> 20) + " MiB in " +
                                            options_.folder.string());
  if (!fs::create_directory(making.folder, error))
    return fail_errno("templates: " + making.folder.string(), error.value());
  for (const char* name : {"ram", "devices", "console"})
    Fd(KTRIAL_TRY(open_file(making.folder / name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
  return {};
}

Result<TemplateStore::Lease> TemplateStore::commit(Making making) {
  const std::string sizes = sizes_of(making.folder);
  const Fd file =
      KTRIAL_TRY(open_file(making.folder / kSizes, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  KTRIAL_TRY(write_all(file.get(), sizes, making.folder / kSizes));
  const fs::path folder = options_.folder / making.key;
  std::error_code error;
  fs::rename(making.folder, folder, error);
  if (error) return fail_errno("templates: " + folder.string(), error.value());
  // From alone to shared; should somebody remove it in between, the machine will say so.
  if (::flock(making.lock.get(), LOCK_SH) != 0) return fail_errno("flock", errno);
  sweep(0);
  return Lease{folder, std::move(making.lock)};
}

void TemplateStore::discard(const Making& making) {
  std::error_code ignored;
  fs::remove_all(making.folder, ignored);
  fs::remove(making.lock_file, ignored);
}

void TemplateStore::drop(const std::string& key) {
  const fs::path dead = options_.folder / (key + std::string(kDead) + std::to_string(::getpid()));
  std::error_code error;
  fs::rename(options_.folder / key, dead, error);
  fs::remove_all(dead, error);
}

// Unless somebody is at it.
bool TemplateStore::remove_unused(const std::string& key) {
  const auto alone = lock(key, LOCK_EX);
  if (!alone) return false;
  std::error_code ignored;
  fs::remove_all(options_.folder / key, ignored);
  fs::remove_all(options_.folder / (key + std::string(kNew)), ignored);
  fs::remove(lock_file(key), ignored);
  return true;
}

std::uint64_t TemplateStore::used() const {
  std::uint64_t out = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options_.folder, error))
    if (entry.is_directory(error)) out += occupied(entry.path());
  return out;
}

// Leftovers, what is stale, and then the least used until `wanted` more have room.
void TemplateStore::sweep(std::uint64_t wanted) {
  struct Kept {
    fs::file_time_type used;
    std::string key;
  };
  std::vector<Kept> kept;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options_.folder, error)) {
    const std::string name = entry.path().filename();
    const std::string key = name.substr(0, name.find('.'));
    std::error_code ignored;
    if (name.find(kDead) != std::string::npos) {
      fs::remove_all(entry.path(), ignored);
    } else if (!is_whole(key)) {
      remove_unused(key);
    } else if (is_key(name)) {
      const auto used_at = fs::last_write_time(entry.path() / kSizes, ignored);
      if (fs::file_time_type::clock::now() - used_at > options_.unused)
        remove_unused(key);
      else
        kept.push_back({used_at, key});
    }
  }
  std::ranges::sort(kept, {}, &Kept::used);
  for (const Kept& one : kept) {
    const auto room = memory_of(options_.folder);
    if (used() + wanted <= options_.room && (!room || wanted <= room->first)) return;
    remove_unused(one.key);
  }
}

}  // namespace ktrial::vm
