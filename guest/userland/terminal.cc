#include "guest/userland/terminal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <string_view>

namespace ktrial::userland {
namespace {

int open_port(const std::string& wanted) {
  constexpr char kClass[] = "/sys/class/virtio-ports";
  DIR* folder = opendir(kClass);
  if (folder == nullptr) return -1;
  int fd = -1;
  while (const dirent* entry = readdir(folder)) {
    const std::string port = entry->d_name;
    std::string name;
    std::ifstream(std::string(kClass) + "/" + port + "/name") >> name;
    if (name == wanted) fd = open(("/dev/" + port).c_str(), O_RDWR | O_CLOEXEC);
  }
  closedir(folder);
  return fd;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

// The kernel tells the foreground job of another size. The same one comes from a user who is back:
// his screen is empty, and who draws on all of it shall do so again.
void resize(int terminal, const std::string& line) {
  winsize size{}, before{};
  if (sscanf(line.c_str(), "%hu %hu", &size.ws_row, &size.ws_col) != 2) return;
  ioctl(terminal, TIOCGWINSZ, &before);
  ioctl(terminal, TIOCSWINSZ, &size);
  const pid_t job = tcgetpgrp(terminal);
  if (job > 0 && before.ws_row == size.ws_row && before.ws_col == size.ws_col) kill(-job, SIGWINCH);
}

// Takes whole lines off the front of `pending`.
void obey(int terminal, std::string& pending) {
  for (std::size_t end; (end = pending.find('\n')) != pending.npos; pending.erase(0, end + 1))
    resize(terminal, pending.substr(0, end));
  if (pending.size() > 256) pending.clear();
}

// Until the session's leader is gone, with what he said last, or the terminal's last user has
// closed it. What he left in the background may hold the terminal for long. `leader`: a pidfd; -1:
// the kernel has none.
void carry(int terminal, int leader, const TerminalPorts& ports) {
  constexpr int kLastWords = 64;  // reads
  char buffer[4096];
  std::string pending;
  for (int late = 0;;) {
    // The leader first, as they are looked at in turn: what he said was there before he went.
    pollfd polls[] = {{leader, POLLIN, 0},
                      {terminal, POLLIN, 0},
                      {ports.bytes, POLLIN, 0},
                      {ports.control, POLLIN, 0}};
    if (poll(polls, 4, -1) < 0 && errno != EINTR) return;
    if (polls[0].revents != 0 && (polls[1].revents == 0 || ++late > kLastWords)) return;
    if (polls[1].revents != 0) {
      const ssize_t got = read(terminal, buffer, sizeof buffer);
      if (got <= 0) return;  // EIO: nobody has it open any more
      write_all(ports.bytes, {buffer, static_cast<std::size_t>(got)});
    }
    bool idle = false;
    if (polls[2].revents != 0) {
      const ssize_t got = read(ports.bytes, buffer, sizeof buffer);
      if (got > 0) write_all(terminal, {buffer, static_cast<std::size_t>(got)});
      idle = got <= 0;
    }
    if (polls[3].revents != 0) {
      const ssize_t got = read(ports.control, buffer, sizeof buffer);
      if (got > 0) obey(terminal, pending.append(buffer, static_cast<std::size_t>(got)));
      idle = idle || got <= 0;
    }
    // A port that nobody holds at the other end is ready at once, always.
    const timespec pause{0, 50'000'000};
    if (idle) nanosleep(&pause, nullptr);
  }
}

constexpr int kNotStarted = 126;

// Its status. `told`: what came of the size already.
int carry_to_end(pid_t child, int terminal, const TerminalPorts& ports, std::string told) {
  obey(terminal, told);
  const int leader = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  carry(terminal, leader, ports);
  close(leader);
  close(terminal);
  int raw = 0;
  while (waitpid(child, &raw, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
}

void tell_status(const TerminalPorts& ports, int status) {
  write_all(ports.control, "exit " + std::to_string(status) + "\n");
}

// True in a child that has a terminal; never returns in the server.
bool serve(const TerminalPorts& ports) {
  for (;;) {
    char buffer[256];
    const ssize_t got = read(ports.control, buffer, sizeof buffer);
    if (got <= 0) {
      const timespec pause{0, 50'000'000};  // nobody holds the other end
      nanosleep(&pause, nullptr);
      continue;
    }
    int terminal = -1;
    const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child == 0) return true;
    const std::string told(buffer, static_cast<std::size_t>(got));
    tell_status(ports, child > 0 ? carry_to_end(child, terminal, ports, told) : kNotStarted);
  }
}

}  // namespace

TerminalPorts open_ports(const std::string& bytes, const std::string& control,
                         std::string& problem) {
  const TerminalPorts ports{open_port(bytes), open_port(control)};
  if (ports.bytes < 0) problem = "no port " + bytes;
  if (ports.control < 0) problem = "no port " + control;
  return ports;
}

void enter_terminal(const TerminalPorts& ports) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) return;
  tell_status(ports, child > 0 ? carry_to_end(child, terminal, ports, "") : kNotStarted);
  _exit(0);
}

bool serve_more_terminals(const std::string& bytes) {
  for (int number = 1;; ++number) {
    const std::string name = bytes + "." + std::to_string(number);
    std::string none;
    const TerminalPorts ports = open_ports(name, name + ".control", none);
    if (ports.bytes < 0 || ports.control < 0) return false;
    const pid_t server = fork();
    if (server == 0 && serve(ports)) return true;
    close(ports.bytes);
    close(ports.control);
  }
}

}  // namespace ktrial::userland
