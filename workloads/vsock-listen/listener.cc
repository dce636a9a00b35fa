#include "workloads/vsock-listen/listener.h"

#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"

namespace ktrial::workload {
namespace {

constexpr int kMaxChildren = 32;
constexpr int kPeerGone = 3;  // exit status of a child that could not answer
constexpr int kPollMs = 50;

sockaddr_vm address(std::uint32_t cid, std::uint32_t port) {
  sockaddr_vm a{};
  a.svm_family = AF_VSOCK;
  a.svm_cid = cid;
  a.svm_port = port;
  return a;
}

int vsock_socket() {
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) cannot_run("no AF_VSOCK: %s (is the module vsock loaded?)", std::strerror(errno));
  return fd;
}

int open_listener(std::uint32_t port, bool loopback) {
  const int fd = vsock_socket();
  const sockaddr_vm local = address(loopback ? VMADDR_CID_LOCAL : VMADDR_CID_ANY, port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0)
    cannot_run("bind to vsock port %u: %s%s", port, std::strerror(errno),
               loopback ? " (is the module vsock_loopback loaded?)" : "");
  if (listen(fd, 128) != 0) cannot_run("listen on vsock port %u: %s", port, std::strerror(errno));
  return fd;
}

[[noreturn]] void answer(int connection, std::uint64_t number) {
  char line[32];
  const int size =
      std::snprintf(line, sizeof line, "hello %llu\n", static_cast<unsigned long long>(number));
  const bool whole = send(connection, line, static_cast<std::size_t>(size), MSG_NOSIGNAL) == size;
  shutdown(connection, SHUT_WR);
  close(connection);
  _exit(whole ? 0 : kPeerGone);
}

// Reaps children that have ended; blocks for one when `wait`. False: none was.
bool reap_one(bool wait, int& alive, Shared& shared) {
  int status = 0;
  const pid_t pid = waitpid(-1, &status, wait ? 0 : WNOHANG);
  if (pid <= 0) return false;
  --alive;
  if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != kPeerGone))
    broken("a child that answers a connection ended with wait status %#x", status);
  ++(WEXITSTATUS(status) == 0 ? shared.served : shared.dropped);
  return true;
}

}  // namespace

void listen_and_serve(std::uint32_t port, bool loopback, Shared& shared) {
  const int listener = open_listener(port, loopback);
  shared.listening.store(true);
  int alive = 0;
  while (!shared.stop.load()) {
    while (reap_one(false, alive, shared)) {
    }
    if (alive >= kMaxChildren) reap_one(true, alive, shared);
    pollfd ready{listener, POLLIN, 0};
    // With children out, look for their end soon: it is what counts as served.
    if (poll(&ready, 1, alive ? 1 : kPollMs) <= 0) continue;
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
      if (errno == EINTR || errno == ECONNABORTED || errno == EAGAIN || errno == ECONNRESET)
        continue;
      broken("accept on vsock port %u: %s", port, std::strerror(errno));
    }
    const std::uint64_t number = ++shared.accepted;
    const pid_t child = fork();
    if (child < 0) cannot_run("fork: %s", std::strerror(errno));
    if (child == 0) answer(connection, number);
    close(connection);
    ++alive;
  }
  while (alive > 0 && reap_one(true, alive, shared)) {
  }
  if (alive != 0) broken("%d children that answer connections are lost", alive);
  _exit(kHealthy);
}

std::uint64_t connect_once(std::uint32_t port) {
  const int fd = vsock_socket();
  const sockaddr_vm peer = address(VMADDR_CID_LOCAL, port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) {
    const int error = errno;
    close(fd);
    // Busy: the backlog is full, or the two seconds of a vsock connect are over.
    if (error == ECONNRESET || error == ETIMEDOUT || error == EINTR || error == ECONNREFUSED)
      return 0;
    cannot_run("connect to vsock port %u on the loopback: %s", port, std::strerror(error));
  }
  std::string got;
  char buffer[64];
  ssize_t size;
  while ((size = read(fd, buffer, sizeof buffer)) > 0 && got.size() < 1024)
    got.append(buffer, static_cast<std::size_t>(size));
  if (size < 0) broken("read from a vsock connection: %s", std::strerror(errno));
  close(fd);
  const std::uint64_t number =
      got.starts_with("hello ") ? std::strtoull(got.c_str() + 6, nullptr, 10) : 0;
  if (number == 0 || got != "hello " + std::to_string(number) + "\n")
    broken("a vsock connection carried %zu bytes that are no \"hello N\" line", got.size());
  return number;
}

}  // namespace ktrial::workload
