#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <vector>

#include "workloads/common/say.h"
#include "workloads/lockup-bait/deeds.h"

namespace ktrial::workload {
namespace {

constexpr int kNames = 3000;
constexpr std::size_t kPiece = 64 * 1024;  // of a vector of IOV_MAX

long count_names(const std::string& folder) {
  DIR* open = opendir(folder.c_str());
  if (open == nullptr) return -1;
  long names = 0;
  while (readdir(open) != nullptr) ++names;
  closedir(open);
  return names - 2;  // "." and ".."
}

bool fill_folder(const std::string& folder) {
  for (int i = 0; i < kNames; ++i)
    if (mknod((folder + say("/%d", i)).c_str(), S_IFREG | 0600, 0) != 0) return false;
  return true;
}

// The same memory, IOV_MAX times.
std::vector<iovec> vector_of(void* at) { return std::vector<iovec>(IOV_MAX, iovec{at, kPiece}); }

void expect_bytes(const char* what, ssize_t got, std::size_t wanted) {
  if (got != static_cast<ssize_t>(wanted))
    broken("vectors: %s of %zu bytes gave %zd", what, wanted, got);
}

// Fills a pipe; how many bytes it took.
std::size_t fill_pipe(int into) {
  static const std::array<char, kPiece> kBytes{};
  std::size_t written = 0;
  for (ssize_t some; (some = write(into, kBytes.data(), kBytes.size())) > 0;)
    written += static_cast<std::size_t>(some);
  return written;
}

std::size_t empty_pipe(int from) {
  std::vector<char> bytes(kPiece);
  std::size_t got = 0;
  for (ssize_t some; (some = read(from, bytes.data(), bytes.size())) > 0;)
    got += static_cast<std::size_t>(some);
  return got;
}

}  // namespace

// Half of them are unmounted with their names in them, the others emptied one by one.
void folders(Actor& actor) {
  if (!owns_mounts(actor)) return;
  const std::string place = actor.tempest->folder + say("/names-%d", actor.number);
  mkdir(place.c_str(), 0700);
  if (mount("names", place.c_str(), "tmpfs", 0, "nr_inodes=4000") != 0 || !fill_folder(place)) {
    ++actor.tempest->refused;
  } else {
    if (const long names = count_names(place); names != kNames)
      broken("folders: %d names were made, %ld are there", kNames, names);
    if (actor.below(2) == 0)
      for (int i = 0; i < kNames; ++i) unlink((place + say("/%d", i)).c_str());
  }
  umount2(place.c_str(), MNT_DETACH);
  rmdir(place.c_str());
}

void vectors(Actor& actor) {
  const int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  std::vector<char> piece(kPiece, 1);
  const std::vector<iovec> all = vector_of(piece.data());
  if (zero >= 0 && null >= 0) {
    expect_bytes("readv", readv(zero, all.data(), IOV_MAX), kPiece * IOV_MAX);
    if (piece.front() != 0 || piece.back() != 0) broken("vectors: zeros were read as others");
    expect_bytes("writev", writev(null, all.data(), IOV_MAX), kPiece * IOV_MAX);
  } else {
    ++actor.tempest->refused;  // no devtmpfs
  }
  if (zero >= 0) close(zero);
  if (null >= 0) close(null);
}

void files(Actor& actor) {
  const int file = memfd_create("bait", MFD_CLOEXEC);
  const auto size = static_cast<off_t>(bait_bytes());
  if (file < 0 || fallocate(file, 0, 0, size) != 0) {
    ++actor.tempest->refused;
  } else {
    struct stat info{};
    if (actor.below(2) == 0) fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size);
    if (fstat(file, &info) != 0 || info.st_size != size) broken("files: the size is another");
    if (ftruncate(file, 0) != 0 || fstat(file, &info) != 0 || info.st_blocks != 0)
      broken("files: %lld blocks are left of a file that was cut off",
             static_cast<long long>(info.st_blocks));
  }
  if (file >= 0) close(file);
}

void pipes(Actor& actor) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    ++actor.tempest->refused;
    return;
  }
  const auto most = static_cast<int>(std::min<std::size_t>(bait_bytes(), 16 << 20));
  if (fcntl(ends[1], F_SETPIPE_SZ, most) < 0) ++actor.tempest->refused;
  const std::size_t written = fill_pipe(ends[1]);
  if (actor.below(2) == 0)
    if (const std::size_t got = empty_pipe(ends[0]); got != written)
      broken("pipes: %zu bytes were written, %zu read", written, got);
  close(ends[0]);
  close(ends[1]);
}

void descriptors(Actor& actor) {
  in_child(actor, "descriptors", [] {
    constexpr rlim_t kMany = 4096;
    const rlimit many{kMany, kMany};
    const int one = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (one < 0 || setrlimit(RLIMIT_NOFILE, &many) != 0) return kCannotRun;
    while (dup(one) >= 0) {
    }
    if (close_range(3, ~0U, 0) != 0) return kCannotRun;
    return fcntl(one, F_GETFD) < 0 ? 0 : kBroken;
  });
}

}  // namespace ktrial::workload
