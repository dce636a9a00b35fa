// Roots that are files: images, tarballs, Debian's.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/kernel/digest.h"
#include "harness/root/choice.h"
#include "harness/spec/timeouts.h"

namespace ktrial::root {
namespace fs = std::filesystem;

namespace {

constexpr char kTree[] = "/ktrial-tree";  // in the initramfs

using Reading = std::unique_ptr<archive, decltype(&archive_read_free)>;
using Writing = std::unique_ptr<archive, decltype(&archive_write_free)>;
using OneEntry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

Error archive_error(const fs::path& file, archive* from) {
  const char* words = archive_error_string(from);
  return {ErrorKind::usage, file.string() + ": " + (words != nullptr ? words : "unreadable"), {}};
}

Result<Reading> open_tarball(const fs::path& file) {
  Reading in(archive_read_new(), archive_read_free);
  archive_read_support_filter_all(in.get());
  archive_read_support_format_tar(in.get());
  if (archive_read_open_filename(in.get(), file.c_str(), 1 << 20) != ARCHIVE_OK) {
    Error error = archive_error(file, in.get());
    error.hint = "a root is a tarball, or an image of squashfs, erofs or ext4";
    return std::unexpected(std::move(error));
  }
  return in;
}

Status copy_data(archive* in, archive* out, const fs::path& file) {
  char buffer[64 * 1024];
  for (;;) {
    const la_ssize_t got = archive_read_data(in, buffer, sizeof buffer);
    if (got == 0) return {};
    if (got < 0) return std::unexpected(archive_error(file, in));
    if (archive_write_data(out, buffer, static_cast<std::size_t>(got)) != got)
      return fail(ErrorKind::environment,
                  "write the root: " + std::string(archive_error_string(out)));
  }
}

// Entry by entry; `change` adapts each before it is written.
Status rewrite(const fs::path& file, archive* out, const fs::path& to,
               const std::function<void(archive_entry*)>& change, archive_entry* first = nullptr) {
  const Reading in = KTRIAL_TRY(open_tarball(file));
  if (archive_write_open_filename(out, to.c_str()) != ARCHIVE_OK ||
      (first != nullptr && archive_write_header(out, first) != ARCHIVE_OK))
    return fail(ErrorKind::environment,
                "write " + to.string() + ": " + std::string(archive_error_string(out)));
  archive_entry* entry = nullptr;
  for (;;) {
    const int status = archive_read_next_header(in.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status < ARCHIVE_WARN) return std::unexpected(archive_error(file, in.get()));
    change(entry);
    if (archive_write_header(out, entry) < ARCHIVE_WARN)
      return fail(ErrorKind::environment,
                  "write the root: " + std::string(archive_error_string(out)));
    if (archive_entry_size(entry) > 0) KTRIAL_TRY(copy_data(in.get(), out, file));
  }
  if (archive_write_close(out) != ARCHIVE_OK)
    return fail(ErrorKind::environment, "write " + to.string());
  return {};
}

// A tree within the initramfs. A hard link becomes a symbolic one: newc has data at the last of
// them, a tarball at the first.
Status to_cpio(const fs::path& tarball, const fs::path& to) {
  const Writing out(archive_write_new(), archive_write_free);
  archive_write_set_format_cpio_newc(out.get());
  // Not every tarball names its own top.
  const OneEntry top(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(top.get(), kTree + 1);
  archive_entry_set_mode(top.get(), AE_IFDIR | 0755);
  archive_entry_set_size(top.get(), 0);  // newc writes none without
  const auto adapt = [](archive_entry* entry) {
    const std::string name =
        fs::path("/" + std::string(archive_entry_pathname(entry))).lexically_normal().string();
    archive_entry_set_pathname(entry, (kTree + (name == "/" ? "" : name)).substr(1).c_str());
    if (const char* target = archive_entry_hardlink(entry)) {
      const std::string link = fs::path("/" + std::string(target)).lexically_normal().string();
      archive_entry_set_hardlink(entry, nullptr);
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, link.c_str());
      archive_entry_set_size(entry, 0);
    }
  };
  return rewrite(tarball, out.get(), to, adapt, top.get());
}

// sqfstar reads a plain tarball from its standard input.
Status to_squashfs(const fs::path& tarball, const fs::path& to, const Query& query) {
  const fs::path plain = to.string() + ".tar";
  {
    const Writing out(archive_write_new(), archive_write_free);
    archive_write_set_format_pax_restricted(out.get());
    KTRIAL_TRY(rewrite(tarball, out.get(), plain, [](archive_entry*) {}));
  }
  const auto output =
      run_command({"sh", "-c", "exec sqfstar -comp lz4 -quiet -no-progress \"$1\" < \"$2\"",
                   "sqfstar", to.string(), plain.string()},
                  {.timeout = spec::host_wait(spec::HostWait::root_image), .stop = query.stop});
  std::error_code error;
  fs::remove(plain, error);
  if (!output) return std::unexpected(output.error());
  if (output->ok()) return {};
  return fail(ErrorKind::environment, "sqfstar: " + last_line(output->err));
}

// The cached file of that name, made by `make` if it is not there.
Result<fs::path> cached(const fs::path& cache, const std::string& name,
                        const std::function<Status(const fs::path&)>& make) {
  const fs::path folder = cache / "roots", file = folder / name;
  std::error_code error;
  if (fs::exists(file, error)) return file;
  fs::create_directories(folder, error);
  if (error) return fail_errno("create " + folder.string(), error.value());
  const fs::path part = folder / (name + "." + std::to_string(::getpid()) + ".part");
  Status made = make(part);
  if (made) {
    fs::rename(part, file, error);
    if (error) made = fail_errno("rename " + part.string(), error.value());
  }
  if (!made) {
    fs::remove(part, error);
    return std::unexpected(std::move(made).error());
  }
  return file;
}

// By the best transport that the kernel has; a tree in RAM needs nothing of it.
Result<Root> tarball_root(const fs::path& tarball, const Has& has, const Query& query) {
  KTRIAL_TRY(open_tarball(tarball));
  const std::string hash = KTRIAL_TRY(kernel::sha256_file(tarball));
  const bool by_disk = has.virtio_blk && has.squashfs && has.overlay;
  if (by_disk && find_program("sqfstar")) {
    const fs::path image =
        KTRIAL_TRY(cached(query.cache, hash + ".squashfs",
                          [&](const fs::path& to) { return to_squashfs(tarball, to, query); }));
    return disk_root(image, "squashfs", has, query.kernel);
  }
  Root root{.what = tarball.filename().string() + ", in the guest's RAM"};
  root.archive = KTRIAL_TRY(cached(query.cache, hash + ".cpio",
                                   [&](const fs::path& to) { return to_cpio(tarball, to); }));
  std::error_code error;
  const auto mib = fs::file_size(root.archive, error) >> 20;
  root.notes.push_back("the root takes " + std::to_string(mib) + " MiB of the guest's RAM: " +
                       (by_disk ? "this host has no sqfstar (package squashfs-tools)"
                                : "this kernel lacks virtio_blk, squashfs or overlay"));
  // It is there twice while the kernel unpacks it.
  if (static_cast<int>(mib) * 2 + 128 > query.spec.memory_mib)
    return usage_error("memory: " + std::to_string(query.spec.memory_mib) +
                           " MiB do not hold a root of " + std::to_string(mib) + " MiB",
                       "--memory " + std::to_string(mib * 2 + 512) + "M");
  root.guest_arguments = {std::string("--tree=") + kTree};
  return root;
}

}  // namespace

std::string image_type(std::string_view head) {
  // Offsets and magic numbers: fs/squashfs/squashfs_fs.h, fs/erofs/erofs_fs.h, fs/ext4/ext4.h.
  const auto at = [&](std::size_t offset, std::string_view magic) {
    return head.size() >= offset + magic.size() && head.substr(offset, magic.size()) == magic;
  };
  if (at(0, "hsqs")) return "squashfs";
  if (at(1024, "\xe2\xe1\xf5\xe0")) return "erofs";
  if (at(1024 + 56, "\x53\xef")) return "ext4";
  return {};
}

Result<Root> disk_root(const fs::path& image, const std::string& type, const Has& has,
                       const kernel::Kernel& kernel) {
  const bool is_ext4 = type == "ext4";
  std::string lacks;
  const auto need = [&](bool it, const char* name) {
    if (!it) lacks += (lacks.empty() ? "" : ", ") + std::string(name);
  };
  if (is_ext4) {
    need(has.ext4, "ext4");
    need(has.virtio_blk || has.nvme, "virtio_blk or nvme");
  } else {
    need(has.virtio_blk, "virtio_blk");
    need(type == "squashfs" ? has.squashfs : has.erofs, type.c_str());
    need(has.overlay, "overlay");
  }
  if (!lacks.empty())
    return fail(
        ErrorKind::environment,
        image.string() + ": " + kernel.release + " lacks " + lacks + " for a root on " + type,
        is_ext4 ? "--root host may work" : "an ext4 image, the tarball or --root host may work");
  const bool nvme = !has.virtio_blk;
  Root root{.what =
                image.filename().string() + ", " + type + " on " + (nvme ? "NVMe" : "virtio-blk")};
  root.modules = {"virtio_pci", nvme ? "nvme" : "virtio_blk", type};
  if (!is_ext4) root.modules.push_back("overlay");
  root.guest_arguments = {std::string("--block=") + (nvme ? "/dev/nvme0n1" : "/dev/vda"),
                          "--type=" + type};
  if (is_ext4) root.guest_arguments.push_back("--writable");
  root.disk = vm::DiskDevice{.image = image, .nvme = nvme, .writable = is_ext4};
  return root;
}

Result<Root> file_root(const fs::path& file, const Has& has, const Query& query) {
  const Fd fd = KTRIAL_TRY(open_file(file, O_RDONLY));
  std::string head(kImageHead, '\0');
  const ssize_t got = ::pread(fd.get(), head.data(), head.size(), 0);
  head.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (const std::string type = image_type(head); !type.empty())
    return disk_root(file, type, has, query.kernel);
  return tarball_root(file, has, query);
}

Result<fs::path> debian_tarball(const std::string& suite, const Query& query) {
  constexpr char kPackages[] =
      "bash,busybox,procps,iproute2,util-linux,python3-minimal,kmod,strace,perl,jq,ethtool,libc-"
      "bin";
  if (suite.empty() || suite.front() < 'a' || suite.front() > 'z' ||
      suite.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != suite.npos)
    return usage_error("root: debian:" + suite + " is no suite", "debian:bookworm");
  return cached(query.cache, "debian-" + suite + ".tar", [&](const fs::path& to) -> Status {
    if (!find_program("mmdebstrap"))
      return fail(ErrorKind::environment, "root: debian:" + suite + " is made with mmdebstrap",
                  "apt install mmdebstrap (an ordinary user also needs uidmap and a range in "
                  "/etc/subuid)");
    if (query.progress)
      query.progress("making a root of debian:" + suite + "; once, a few minutes");
    const auto output =
        run_command({"mmdebstrap", "--variant=minbase", "--format=tar",
                     std::string("--include=") + kPackages, suite, to.string()},
                    {.timeout = spec::host_wait(spec::HostWait::root_image), .stop = query.stop});
    if (!output) return std::unexpected(output.error());
    if (output->ok()) return {};
    return fail(ErrorKind::environment, "mmdebstrap: " + last_line(output->err),
                "an ordinary user needs uidmap and a range in /etc/subuid");
  });
}

Result<Root> minimal_root(std::stop_token stop) {
  const auto busybox = find_program("busybox");
  const char* hint = "apt install busybox-static; --root host needs no busybox";
  if (!busybox) return fail(ErrorKind::environment, "root: minimal is made of busybox", hint);
  const CommandOutput applets = KTRIAL_TRY(
      run_command({busybox->string(), "--list"},
                  {.timeout = spec::host_wait(spec::HostWait::program_version), .stop = stop}));
  if (!applets.ok())
    return fail(ErrorKind::environment, busybox->string() + " lists no applets", hint);
  const CommandOutput loader = KTRIAL_TRY(
      run_command({"ldd", busybox->string()},
                  {.timeout = spec::host_wait(spec::HostWait::program_version), .stop = stop}));
  if (loader.ok()) return fail(ErrorKind::environment, busybox->string() + " is not static", hint);
  Root root{.what = "busybox"};
  root.entries = {{"/usr/bin/busybox", guest_image::HostFile{*busybox}, 0755},
                  {"/bin", guest_image::Symlink{"usr/bin"}, 0777},
                  {"/etc/passwd", guest_image::Bytes{"root:x:0:0:root:/root:/bin/sh\n"}, 0644},
                  {"/root", guest_image::Directory{}, 0700},
                  {"/mnt", guest_image::Directory{}, 0755}};
  for (const std::string_view name : split(applets.out, '\n'))
    if (name != "busybox" && !name.contains('/'))
      root.entries.push_back(
          {"/usr/bin/" + std::string(name), guest_image::Symlink{"busybox"}, 0777});
  return root;
}

}  // namespace ktrial::root
