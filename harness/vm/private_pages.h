// What a process changed in its private mapping of a file: a guest that shares its RAM with others
// until it writes (MAP_PRIVATE of a template's file) has its own pages there, and nowhere else.
// Sources: /proc/PID/{maps,pagemap,mem}, Documentation/admin-guide/mm/pagemap.rst of the kernel.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::vm {

class PrivatePages {
 public:
  // Of `process`, which maps `file` once, from its begin on, `bytes` long. An error where this
  // host does not let us look.
  static Result<std::shared_ptr<const PrivatePages>> open(pid_t process, int file,
                                                          std::uint64_t bytes);
  // Replaces, in `out` as read from the file at `offset`, what the process changed.
  Status lay_over(std::uint64_t offset, std::span<std::byte> out) const;
  struct Range {
    std::uint64_t begin = 0, end = 0;  // in the file
  };
  // All that it changed, ascending.
  Result<std::vector<Range>> changed() const;

 private:
  PrivatePages(Fd pagemap, Fd memory, std::uint64_t address, std::uint64_t bytes)
      : pagemap_(std::move(pagemap)),
        memory_(std::move(memory)),
        address_(address),
        bytes_(bytes) {}
  Status entries(std::uint64_t first_page, std::span<std::uint64_t> out) const;
  Status read(std::uint64_t offset, std::span<std::byte> out) const;

  Fd pagemap_, memory_;
  std::uint64_t address_, bytes_;
};

// A nameless file with all that `file` holds, and as sparse.
Result<Fd> copy_of_ram(int file, std::uint64_t bytes);
// The same as the process sees it.
Result<Fd> copy_of_ram(int file, std::uint64_t bytes, const PrivatePages& pages);

}  // namespace ktrial::vm
