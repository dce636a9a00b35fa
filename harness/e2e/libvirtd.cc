#include "harness/e2e/libvirtd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/e2e/daemon.h"

namespace ktrial::e2e {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr char kHideKvm[] = R"([ ! -e /dev/kvm ] || mount --bind "$HOME/nothing" /dev/kvm
)";
constexpr char kStart[] = "exec unshare --user --map-user=1000 --map-group=1000 libvirtd\n";

bool connects(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Result<PrivateLibvirtd> PrivateLibvirtd::start(Kvm kvm) {
  for (const char* program : {"libvirtd", "unshare", "qemu-system-x86_64"})
    if (!find_program(program) && !fs::exists(std::string("/usr/sbin/") + program))
      return fail(ErrorKind::environment, std::string(program) + " is not installed");
  const auto allowed = KTRIAL_TRY(run_command({"unshare", "--user", "--map-root-user", "--mount",
                                               "unshare", "--user", "--map-user=1000", "true"}));
  if (!allowed.ok()) return fail(ErrorKind::environment, "no user namespaces: " + allowed.err);
  // Short, in /tmp: sockets of domains lie deep in it, and their names may have 107 bytes.
  PrivateLibvirtd out(KTRIAL_TRY(TempDir::create("klv")), kvm);
  KTRIAL_TRY(out.launch(kvm));
  return out;
}

Status PrivateLibvirtd::launch(Kvm kvm) {
  const std::string script = std::string(kvm == Kvm::hidden ? kHideKvm : "") + kStart;
  const fs::path home = dir_.path();
  for (const char* folder : {"r", "c/libvirt", "k", "d"}) fs::create_directories(home / folder);
  // Without virtlogd, which would outlive us.
  KTRIAL_TRY(write_file_atomically(home / "c/libvirt/qemu.conf", "stdio_handler = \"file\"\n"));
  KTRIAL_TRY(write_file_atomically(home / "c/libvirt/libvirtd.conf",
                                   "log_outputs = \"3:file:" + (home / "log").string() + "\"\n"));
  KTRIAL_TRY(write_file_atomically(home / "nothing", ""));
  ::chmod((home / "nothing").c_str(), 0);
  // What runs on the far side, as the user that libvirtd takes itself to be.
  // Which nobody but the test starts.
  const std::string there =
      "#!/bin/sh\nexport LIBVIRT_AUTOSTART=0 XDG_RUNTIME_DIR=" + (home / "r").string() +
      "\nexec unshare --user --map-user=1000 --map-group=1000 ";
  KTRIAL_TRY(write_script(home / "relay", there + "virt-ssh-helper qemu:///session\n"));
  KTRIAL_TRY(write_script(login(), there + "sh -c \"$SSH_ORIGINAL_COMMAND\"\n"));
  pid_ = ::fork();
  if (pid_ == 0) {
    become_daemon(home / "out");
    ::setenv("HOME", home.c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", (home / "r").c_str(), 1);
    ::setenv("XDG_CONFIG_HOME", (home / "c").c_str(), 1);
    ::setenv("XDG_CACHE_HOME", (home / "k").c_str(), 1);
    ::setenv("XDG_DATA_HOME", (home / "d").c_str(), 1);
    ::setenv("PATH", (std::string(::getenv("PATH")) + ":/usr/sbin:/sbin").c_str(), 1);
    ::execlp("unshare", "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
             script.c_str(), nullptr);
    ::_exit(127);
  }
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!connects(socket())) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_ || std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::environment,
                  "a private libvirtd did not start: " + read_file(home / "out").value_or("") +
                      read_file(home / "log").value_or(""));
    std::this_thread::sleep_for(10ms);
  }
  return {};
}

PrivateLibvirtd::~PrivateLibvirtd() {
  if (pid_ > 0) {
    ::kill(pid_, SIGCONT);
    ::kill(pid_, SIGTERM);
    for (int i = 0; i < 1000 && ::waitpid(pid_, nullptr, WNOHANG) == 0; ++i)
      std::this_thread::sleep_for(10ms);
    kill();
  }
  for (pid_t machine : machines()) ::kill(machine, SIGKILL);
}

std::string PrivateLibvirtd::uri() const { return "qemu:///session?socket=" + socket().string(); }

std::string PrivateLibvirtd::remote_uri() const {
  return "qemu+ext://elsewhere/session?command=" + (dir_.path() / "relay").string();
}

void PrivateLibvirtd::signal(int number) { ::kill(pid_, number); }

void PrivateLibvirtd::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::vector<pid_t> PrivateLibvirtd::machines() const {
  std::vector<pid_t> out;
  if (dir_.path().empty()) return out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const std::string words = read_file(entry.path() / "cmdline").value_or("");
    if (words.find("guest=ktrial-") != words.npos && words.find(dir_.path()) != words.npos)
      out.push_back(pid);
  }
  return out;
}

fs::path PrivateLibvirtd::domain_log() const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir_.path() / "k/libvirt/qemu/log", error))
    if (entry.path().extension() == ".log") return entry.path();
  return {};
}

std::vector<std::string> PrivateLibvirtd::domain_files() const {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(dir_.path(), error)) {
    const std::string path = entry.path();
    // The log of each domain is libvirt's to keep.
    if (path.find("ktrial-") != path.npos && !path.ends_with(".log")) out.push_back(path);
  }
  return out;
}

}  // namespace ktrial::e2e
