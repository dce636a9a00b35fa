#include "harness/root/choice.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/installation.h"
#include "harness/base/text.h"
#include "harness/guest_image/modules.h"
#include "harness/root/mounts.h"
#include "harness/spec/timeouts.h"

namespace ktrial::root {
namespace fs = std::filesystem;

namespace {

constexpr char kOthers[] = "--root debian:bookworm, a tarball or an image may work";

std::string head_of(const fs::path& path, std::size_t size) {
  const auto fd = open_file(path, O_RDONLY);
  if (!fd) return {};
  std::string head(size, '\0');
  const ssize_t got = ::pread(fd->get(), head.data(), head.size(), 0);
  head.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return head;
}

bool is_below(const fs::path& path, const fs::path& folder) {
  const auto [at, end] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return at == folder.end();
}

// Whether `path` may be shown though it is below a covered place: a folder that somebody works in,
// and never a home as a whole.
bool is_private(const fs::path& path) {
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0' && is_below(fs::path(home).lexically_normal(), path))
    return true;
  if (path.parent_path() == "/home") return true;
  return std::ranges::any_of(kCovered,
                             [&](const char* covered) { return is_below(covered, path); });
}

// The command's own file, and the folder that it is started in.
std::vector<fs::path> own_files(const std::string& command) {
  std::vector<fs::path> out;
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (!error && !is_private(here)) out.push_back(here);
  if (command.contains('/')) {
    const fs::path file = fs::absolute(command, error).lexically_normal();
    if (fs::is_regular_file(file, error) && (out.empty() || !is_below(file, out.front())))
      out.push_back(file);
  }
  return out;
}

void add_overlay_note(const Has& has, Root& root) {
  if (!has.overlay) root.notes.push_back("/etc and /usr are read-only: this kernel has no overlay");
}

// A file server holds a descriptor for each file that the guest knows.
void add_limit_note(Root& root) {
  constexpr rlim_t kEnough = 200000;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < kEnough)
    root.notes.push_back("a guest that knows more than " + std::to_string(limit.rlim_max) +
                         " files is told that there are too many: ulimit -Hn is low; a root of an "
                         "image has no such limit");
}

constexpr char kNoDep[] = "modprobe finds no module of this kernel: ";

// depmod's lists, which Debian's packages come without: a package's scripts make them. Only what
// lies in our own cache is changed.
Status list_modules(const fs::path& modules, const Query& query) {
  std::error_code error;
  if (fs::exists(modules / "modules.dep", error)) return {};
  if (!is_below(modules, query.cache))
    return fail(ErrorKind::environment,
                kNoDep + modules.string() + " has no modules.dep; depmod makes it");
  auto depmod = find_program("depmod");
  for (const char* place : {"/usr/sbin/depmod", "/sbin/depmod"})
    if (!depmod && ::access(place, X_OK) == 0) depmod = place;
  if (!depmod)
    return fail(ErrorKind::environment, std::string(kNoDep) + "there is no depmod (package kmod)");
  const fs::path base = modules.parent_path().parent_path().parent_path();
  const CommandOutput output = KTRIAL_TRY(
      run_command({depmod->string(), "-b", base.string(), query.kernel.release},
                  {.timeout = spec::host_wait(spec::HostWait::module_build), .stop = query.stop}));
  if (output.ok()) return {};
  return fail(ErrorKind::environment, kNoDep + ("depmod: " + last_line(output.err)));
}

Result<Root> served(const fs::path& tree, bool host, const Has& has, const Query& query) {
  if (!has.virtiofs)
    return fail(ErrorKind::environment,
                "this kernel has no virtiofs (CONFIG_VIRTIO_FS): it cannot be shown a folder of "
                "the host",
                kOthers);
  const bool is_root = ::geteuid() == 0;
  Root root{.what = host ? "the host's, by virtiofs" : tree.string() + ", by virtiofs"};
  Share share{.program = KTRIAL_TRY(find_file_server(is_root)),
              .confine = host_programs() / "ktrial-confine",
              .tree = tree,
              .host = host,
              .is_root = is_root,
              .show = {},
              .modules = {}};
  if (host) share.show = own_files(query.spec.command.front());
  for (const std::string& folder : query.spec.shares) {
    std::error_code error;
    const fs::path path = fs::canonical(folder, error);
    if (error) return usage_error("--share " + folder + ": " + error.message());
    share.show.push_back(path);
  }
  if (const auto& modules = query.kernel.modules_dir;
      modules && query.kernel.modules_layout == kernel::ModuleLayout::installed) {
    share.modules = modules->string() + ":" + query.kernel.release;
    if (const auto listed = list_modules(*modules, query); !listed)
      root.notes.push_back(listed.error().message);
  }
  KTRIAL_TRY(try_out(share));
  if (share.program.kind == ServerKind::c)
    root.notes.push_back("the guest can read all that root can, but for covered places: " +
                         share.program.path.string() + " serves as root");
  add_overlay_note(has, root);
  add_limit_note(root);
  root.modules = {"virtio_pci", "virtiofs"};
  if (has.overlay) root.modules.push_back("overlay");
  root.guest_arguments = {std::string("--virtiofs=") + kTag};
  if (host) root.guest_arguments.push_back("--host");
  root.share = std::move(share);
  return root;
}

Result<Root> named(const std::string& name, const Has& has, const Query& query) {
  if (name == "host") return served("/", true, has, query);
  if (!query.spec.shares.empty())
    return usage_error("shares: are for root = \"host\"; copy the files into the root " + name);
  if (name == "minimal") return minimal_root(query.stop);
  if (name.starts_with("debian:"))
    return file_root(KTRIAL_TRY(debian_tarball(name.substr(7), query)), has, query);
  std::error_code error;
  const fs::path path = fs::canonical(name, error);
  if (error)
    return usage_error("root: " + name + ": " + error.message(),
                       "host, minimal, debian:SUITE, none, a folder, a tarball or an image");
  if (fs::is_directory(path, error)) return served(path, false, has, query);
  return file_root(path, has, query);
}

}  // namespace

bool is_script(const std::string& command) {
  if (command.contains('/')) return head_of(command, 2) == "#!";
  const auto found = find_program(command);
  return found && head_of(*found, 2) == "#!";
}

Result<Has> what_has(const kernel::Kernel& kernel) {
  const std::vector<std::string> names = {"virtiofs", "overlay", "virtio_blk", "squashfs",
                                          "erofs",    "ext4",    "nvme"};
  const guest_image::Closure closure = KTRIAL_TRY(guest_image::closure(kernel, names));
  const auto has = [&](const char* name) {
    return std::ranges::find(closure.absent, name) == closure.absent.end();
  };
  return Has{.virtiofs = has("virtiofs"),
             .overlay = has("overlay"),
             .virtio_blk = has("virtio_blk"),
             .squashfs = has("squashfs"),
             .erofs = has("erofs"),
             .ext4 = has("ext4"),
             .nvme = has("nvme")};
}

Result<std::optional<Root>> choose(const Query& query) {
  const spec::TrialSpec& spec = query.spec;
  const bool by_itself = spec.root.empty();
  if (spec.command.empty() || spec.root == "none") return std::nullopt;
  if (by_itself && (!is_script(spec.command.front()) || spec.vmm != spec::Vmm::qemu))
    return std::nullopt;
  if (spec.vmm != spec::Vmm::qemu)
    return usage_error("root: needs vmm = \"qemu\": libvirt's machines are not given one");
  const Has has = KTRIAL_TRY(what_has(query.kernel));
  auto root = named(by_itself ? "host" : spec.root, has, query);
  if (!root && !by_itself) return std::unexpected(std::move(root).error());
  const std::string command = fs::path(spec.command.front()).filename().string();
  if (!root) {
    if (query.progress)
      query.progress(command + " is a script, but gets no --root host: " + root.error().message);
    return std::nullopt;
  }
  if (by_itself)
    root->notes.insert(root->notes.begin(),
                       command +
                           " is a script: it sees the host's files, read-only with what it "
                           "writes kept apart (--root host; --root none packs it alone)");
  return std::optional(*std::move(root));
}

}  // namespace ktrial::root
