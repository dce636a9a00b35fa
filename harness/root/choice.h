// Which root a command gets, and by which transport: decided before the boot, by what the kernel
// has. docs/roots.md tells the rules.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/guest_image/initramfs.h"
#include "harness/kernel/kernel.h"
#include "harness/root/file_server.h"
#include "harness/spec/spec.h"
#include "harness/vm/vm.h"

namespace ktrial::root {

inline constexpr char kUserland[] = "/ktrial-userland";  // of the initramfs; guest/userland
inline constexpr char kTag[] = "ktrial-root";

struct Root {
  std::string what;                          // for people: "host by virtiofs, with an overlay"
  std::vector<std::string> modules;          // that the guest needs, to be closed over
  std::vector<std::string> notes;            // what falls short, and why
  std::vector<std::string> guest_arguments;  // of kUserland, before "--"
  std::vector<guest_image::Entry> entries;   // of the initramfs
  std::optional<Share> share;                // served by a file server
  std::optional<vm::DiskDevice> disk;
  std::filesystem::path archive;  // a cpio behind the initramfs, which holds the tree; may be empty
};

struct Query {
  const spec::TrialSpec& spec;
  const kernel::Kernel& kernel;
  std::filesystem::path cache;
  std::function<void(std::string_view)> progress;
  std::stop_token stop;
};

// Nothing: the command is packed, with its libraries alone. ErrorKind::usage for a root that is
// none; ErrorKind::environment for what this host lacks.
Result<std::optional<Root>> choose(const Query& query);

// Whether `command` is a script, which needs more than can be packed.
bool is_script(const std::string& command);

// What a kernel has of `names`, as far as its files tell.
struct Has {
  bool virtiofs = true, overlay = true, virtio_blk = true, squashfs = true, erofs = true,
       ext4 = true, nvme = true;
};
Result<Has> what_has(const kernel::Kernel& kernel);

// squashfs, erofs or ext4, by its superblock; empty: none of them.
std::string image_type(std::string_view head);
inline constexpr std::size_t kImageHead = 2048;  // bytes that image_type() needs

// An image, or a tarball of a root file system.
Result<Root> file_root(const std::filesystem::path& file, const Has& has, const Query& query);
// mmdebstrap's tarball of a suite, made once.
Result<std::filesystem::path> debian_tarball(const std::string& suite, const Query& query);
// A static busybox, and a link for each of its applets.
Result<Root> minimal_root(std::stop_token stop);

// The disk of an image; an error names what the kernel lacks.
Result<Root> disk_root(const std::filesystem::path& image, const std::string& type, const Has& has,
                       const kernel::Kernel& kernel);

}  // namespace ktrial::root
