// A kernel and an initramfs where libvirt's QEMU can read them: on another host, or as
// another user. They travel through libvirt's storage: a pool of our own, a volume each.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/vm/libvirt/connection.h"

namespace ktrial::vm {

class LibvirtFiles {
 public:
  // Sends `files` into a new pool, in a folder of /var/tmp. What was made before an error is
  // removed again; what a killed process left, by the next one, if the name is pool_name()'s
  // (orphans.h).
  static Result<LibvirtFiles> send(LibvirtConnection& connection, const std::string& name,
                                   const std::vector<std::filesystem::path>& files);
  LibvirtFiles(LibvirtFiles&&) = default;
  // Removes files and pool. QEMU has read both once its domain exists, paused or not.
  ~LibvirtFiles();
  // Where the files are there, in the order given.
  const std::vector<std::filesystem::path>& paths() const { return paths_; }

 private:
  LibvirtFiles(LibvirtConnection& connection, StoragePoolHandle pool)
      : connection_(&connection), pool_(std::move(pool)) {}
  Status make_pool();
  Status send_one(const std::filesystem::path& file, const std::string& name);

  LibvirtConnection* connection_;
  StoragePoolHandle pool_;
  std::vector<std::filesystem::path> paths_;
};

// With all that lies in it. Negative where something is left.
int remove_pool(virStoragePoolPtr pool);

}  // namespace ktrial::vm
