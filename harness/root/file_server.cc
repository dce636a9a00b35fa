#include "harness/root/file_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/base/unix_socket.h"
#include "harness/kernel/kernel.h"
#include "harness/spec/timeouts.h"

namespace ktrial::root {
namespace fs = std::filesystem;

namespace {

constexpr char kHint[] =
    "install virtiofsd 1.11 or newer (rust-vmm's; Debian 13 has it, on 12 ktrial's bootstrap.sh "
    "fetches it), or set KTRIAL_VIRTIOFSD; --root debian:bookworm, a tarball or an image work "
    "without";

// Debian 13, Fedora; Arch.
constexpr const char* kPlaces[] = {"/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"};
// QEMU's own up to 7.2.
constexpr char kOldPlace[] = "/usr/lib/qemu/virtiofsd";

std::string first_line(std::string_view text) { return std::string(take_line(text).value_or("")); }

std::vector<fs::path> candidates() {
  if (const char* named = std::getenv("KTRIAL_VIRTIOFSD"); named != nullptr && *named != '\0')
    return {named};
  std::vector<fs::path> out(std::begin(kPlaces), std::end(kPlaces));
  if (const auto cache = kernel::default_cache_dir())  // where bootstrap.sh puts it
    out.push_back(*cache / "virtiofsd" / "virtiofsd");
  out.emplace_back(kOldPlace);
  if (auto found = find_program("virtiofsd")) out.push_back(*found);
  return out;
}

std::vector<std::string> server_arguments(const Share& share, const std::string& place, int fd) {
  const std::string socket = "--fd=" + std::to_string(fd);
  if (share.program.kind == ServerKind::c)
    return {socket, "-f", "-o",
            "source=" + place + ",sandbox=namespace,cache=always,log_level=err"};
  std::vector<std::string> out = {socket, "--shared-dir=" + place,
                                  share.is_root ? "--sandbox=namespace" : "--sandbox=chroot",
                                  "--readonly",
                                  // Mount points that are told apart cannot be mounted over.
                                  "--no-announce-submounts", "--cache=always", "--log-level=error"};
  // In a user namespace all users but one are "nobody": they become root, whose files they are.
  if (!share.is_root)
    for (const char* ids : {"--translate-uid=host:65534:0:1", "--translate-gid=host:65534:0:1"})
      out.push_back(ids);
  return out;
}

std::vector<std::string> confined(const Share& share, const fs::path& place) {
  std::vector<std::string> out = {"--source=" + share.tree.string(), "--at=" + place.string()};
  if (share.host) out.push_back("--host");
  for (const fs::path& path : share.show) out.push_back("--show=" + path.string());
  if (!share.modules.empty()) out.push_back("--modules=" + share.modules);
  out.insert(out.end(), {"--", share.program.path.string()});
  return out;
}

Result<fs::path> empty_folder(const fs::path& scratch) {
  const fs::path place = scratch / "root";
  std::error_code error;
  fs::create_directory(place, error);
  if (error) return fail_errno("create " + place.string(), error.value());
  return place;
}

}  // namespace

std::optional<ServerKind> kind_of(std::string_view help) {
  if (help.contains("--readonly") && help.contains("--translate-uid")) return ServerKind::rust;
  if (help.contains("sandbox=namespace|chroot") && help.contains("--fd=FDNUM"))
    return ServerKind::c;
  return std::nullopt;
}

Result<FileServerProgram> find_file_server(bool is_root) {
  std::string problems;
  for (const fs::path& path : candidates()) {
    if (::access(path.c_str(), X_OK) != 0) continue;
    const CommandOptions options{.timeout = spec::host_wait(spec::HostWait::program_version)};
    const auto help = run_command({path.string(), "--help"}, options);
    const auto version = run_command({path.string(), "--version"}, options);
    if (!help || !version || !version->ok()) {
      problems += "; " + path.string() + " does not start";
      if (version) problems += ": " + last_line(version->err);
      continue;
    }
    const auto kind = kind_of(help->out + help->err);
    if (!kind)
      problems += "; " + path.string() + " has no --readonly or no --translate-uid";
    else if (*kind == ServerKind::c && !is_root)
      problems += "; " + path.string() + " is QEMU's old one, which only root can use";
    else
      return FileServerProgram{path, *kind, first_line(version->out + version->err)};
  }
  return fail(ErrorKind::environment, "there is no virtiofsd to serve files to a guest" + problems,
              kHint);
}

std::vector<std::string> arguments(const Share& share, const fs::path& place, int fd) {
  std::vector<std::string> out = confined(share, place);
  for (std::string& one : server_arguments(share, place.string(), fd))
    out.push_back(std::move(one));
  return out;
}

Status try_out(const Share& share) {
  const TempDir scratch = KTRIAL_TRY(TempDir::create());
  std::vector<std::string> argv = confined(share, KTRIAL_TRY(empty_folder(scratch.path())));
  argv.insert(argv.begin(), share.confine.string());
  argv.push_back("--version");
  const CommandOutput output =
      KTRIAL_TRY(run_command(argv, {.timeout = spec::host_wait(spec::HostWait::program_version)}));
  if (output.ok()) return {};
  return fail(ErrorKind::environment,
              "this host's files cannot be served: " + last_line(output.err),
              "--root debian:bookworm, a tarball or an image work without");
}

Result<FileServer> FileServer::start(boost::asio::io_context& io, const Share& share,
                                     const fs::path& scratch) {
  const fs::path place = KTRIAL_TRY(empty_folder(scratch));
  fs::path socket = scratch / "root.sock";
  const Fd listener = KTRIAL_TRY(listen_unix(socket, 1));
  const Fd log = KTRIAL_TRY(open_file(scratch / "virtiofsd.log", O_CREAT | O_WRONLY | O_APPEND));
  Child child = KTRIAL_TRY(Child::start(io, {.program = share.confine,
                                             .arguments = arguments(share, place, listener.get()),
                                             .inherit = {listener.get()},
                                             .standard_output = log.get(),
                                             .standard_error = log.get()}));
  return FileServer(std::move(socket), std::move(child));
}

void FileServer::on_lost(std::function<void(std::string)> handler) {
  child_.on_exit([handler = std::move(handler)](ExitStatus status) {
    // It ends well when QEMU goes, which QEMU's own end tells.
    if (status.signaled || status.value != 0) handler("virtiofsd " + status.text());
  });
}

}  // namespace ktrial::root
