#include "harness/e2e/sshd.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/e2e/daemon.h"
#include "harness/vm/libvirt/helpers.h"

namespace ktrial::e2e {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr char kProgram[] = "/usr/sbin/sshd";
constexpr int kPortsToTry = 8;

// sshd cannot be asked for any free port; this one is free now.
int free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), plain, size) != 0 || ::getsockname(fd.get(), plain, &size) != 0) return 0;
  return ntohs(address.sin_port);
}

Status make_key(const fs::path& file, const std::string& passphrase) {
  const auto made =
      KTRIAL_TRY(run_command({"ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", file}));
  return made.ok() ? Status() : fail(ErrorKind::environment, "ssh-keygen: " + made.err);
}

}  // namespace

Status PrivateSshd::is_installed() {
  for (const char* program : {"ssh", "ssh-keygen", "virt-ssh-helper"})
    if (!find_program(program))
      return fail(ErrorKind::environment, std::string(program) + " is not installed");
  if (!fs::exists(kProgram))
    return fail(ErrorKind::environment, std::string(kProgram) + " is not installed");
  return {};
}

Result<PrivateSshd> PrivateSshd::start(const fs::path& login) {
  KTRIAL_TRY(is_installed());
  const passwd* user = ::getpwuid(::getuid());
  if (user == nullptr) return fail(ErrorKind::environment, "this user has no name");
  PrivateSshd out(KTRIAL_TRY(TempDir::create("kssh")));
  out.user_ = user->pw_name;
  for (const char* key : {"host_key", "key", "other"}) KTRIAL_TRY(make_key(out.at(key), ""));
  KTRIAL_TRY(make_key(out.at("locked"), "a passphrase"));
  for (int i = 0; i < kPortsToTry; ++i) {
    out.port_ = free_port();
    KTRIAL_TRY(out.write_files(login));
    if (KTRIAL_TRY(out.listen())) return out;
  }
  return fail(ErrorKind::environment, "sshd found no free port");
}

Status PrivateSshd::write_files(const fs::path& login) {
  // Passwords are offered, so that a client that may ask would ask.
  KTRIAL_TRY(write_file_atomically(
      at("sshd_config"),
      fmt::format("Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {} {}\n"
                  "ForceCommand {}\nPermitRootLogin yes\nPasswordAuthentication yes\n"
                  "PidFile none\nUsePAM no\nStrictModes no\n",
                  port_, at("host_key").string(), at("key.pub").string(), at("locked.pub").string(),
                  login.string())));
  KTRIAL_TRY(write_file_atomically(
      at("config"), fmt::format("UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n"
                                "IdentitiesOnly yes\nIdentityAgent none\n",
                                at("known_hosts").string())));
  KTRIAL_TRY(write_script(
      at("ssh"), fmt::format("#!/bin/sh\nexec ssh -F {} \"$@\"\n", at("config").string())));
  KTRIAL_TRY(write_script(
      at("run"), fmt::format("#!/bin/sh\nif [ $(id -u) = 0 ]; then\n"
                             "  mount -t tmpfs none /run && mkdir /run/sshd || exit 1\nfi\n"
                             "exec {} -D -e -f {}\n",
                             kProgram, at("sshd_config").string())));
  return write_file_atomically(
      at("known_hosts"),
      fmt::format("[127.0.0.1]:{} {}", port_, KTRIAL_TRY(read_file(at("host_key.pub")))));
}

Result<bool> PrivateSshd::listen() {
  const std::string run = at("run"), log = at("log");
  fs::remove(log);
  pid_ = ::fork();
  if (pid_ == 0) {
    become_daemon(log);
    if (::getuid() == 0) ::execlp("unshare", "unshare", "--mount", run.c_str(), nullptr);
    ::execl(run.c_str(), run.c_str(), nullptr);
    ::_exit(127);
  }
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    const std::string said = read_file(log).value_or("");
    if (said.find("Server listening on") != said.npos) return true;
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      if (said.find("Address already in use") != said.npos) return false;
      return fail(ErrorKind::environment, "a private sshd did not start: " + said);
    }
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::environment, "a private sshd does not listen: " + said);
    std::this_thread::sleep_for(10ms);
  }
}

PrivateSshd::~PrivateSshd() { kill(); }

std::string PrivateSshd::uri(const std::string& key) const {
  return fmt::format("qemu+ssh://{}@127.0.0.1:{}/session?command={}&keyfile={}", user_, port_,
                     at("ssh").string(), at(key.c_str()).string());
}

Status PrivateSshd::forget_host_key() { return write_file_atomically(at("known_hosts"), ""); }

Status PrivateSshd::change_host_key() {
  return write_file_atomically(
      at("known_hosts"),
      fmt::format("[127.0.0.1]:{} {}", port_, KTRIAL_TRY(read_file(at("other.pub")))));
}

void PrivateSshd::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

void PrivateSshd::kill() {
  if (pid_ <= 0) return;
  for (const pid_t session : sessions()) ::kill(session, SIGKILL);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::vector<pid_t> PrivateSshd::sessions() const {
  if (pid_ <= 0) return {};
  const vm::Pids children = vm::children_of(pid_, pid_);
  return {children.pid.begin(), children.pid.begin() + children.count};
}

std::vector<pid_t> PrivateSshd::clients() const {
  std::vector<pid_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    const std::string words = pid > 0 ? read_file(entry.path() / "cmdline").value_or("") : "";
    if (words.starts_with("ssh") && words.find(at("config").string() + '\0') != words.npos)
      out.push_back(pid);
  }
  return out;
}

}  // namespace ktrial::e2e
