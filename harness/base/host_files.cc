#include "harness/base/host_files.h"

#include <linux/magic.h>
#include <sys/vfs.h>

namespace ktrial {

bool is_own_file_system(long type) {
  constexpr unsigned kCifs = 0xff534d42, kFuse = 0x65735546, kLustre = 0x0bd00bd0,
                     kCeph = 0x00c36400, kGpfs = 0x47504653, kBeegfs = 0x19830326;
  switch (static_cast<unsigned>(type)) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
    case V9FS_MAGIC:
    case kCifs:
    case kFuse:
    case kLustre:
    case kCeph:
    case kGpfs:
    case kBeegfs:
      return false;
    default:
      return true;
  }
}

bool is_own_folder(const std::filesystem::path& folder) {
  struct statfs info{};
  return ::statfs(folder.c_str(), &info) == 0 && is_own_file_system(info.f_type);
}

}  // namespace ktrial
