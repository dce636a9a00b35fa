#include "harness/vm/libvirt/helpers.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

namespace ktrial::vm {
namespace {

thread_local bool t_own_sessions = false;

constexpr int kDeepest = 8;  // ssh, a shell, its ProxyCommand, ...

// std::string would allocate.
class Path {
 public:
  Path& operator<<(std::string_view text) {
    for (char c : text)
      if (size_ + 1 < sizeof text_) text_[size_++] = c;
    return *this;
  }
  Path& operator<<(pid_t number) {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return *this << std::string_view(digits, static_cast<std::size_t>(end - digits));
  }
  const char* c_str() const { return text_; }

 private:
  char text_[64] = {};
  std::size_t size_ = 0;
};

void kill_tree(pid_t root, int depth) {
  if (depth < kDeepest) {
    const Pids below = children_of(root, root);
    for (int i = 0; i < below.count; ++i) kill_tree(below.pid[i], depth + 1);
  }
  ::kill(root, SIGKILL);
}

}  // namespace

bool Pids::contains(pid_t one) const {
  for (int i = 0; i < count; ++i)
    if (pid[i] == one) return true;
  return false;
}

void Pids::add(pid_t one) {
  if (one > 1 && count < kMost) pid[count++] = one;
}

// "12 345 6789 "
Pids children_of(pid_t process, pid_t thread) {
  Pids out;
  Path path;
  path << "/proc/" << process << "/task/" << thread << "/children";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return out;
  char text[Pids::kMost * 12];
  const ssize_t size = ::read(fd, text, sizeof text);
  ::close(fd);
  pid_t number = 0;
  for (ssize_t i = 0; i < size; ++i) {
    if (text[i] >= '0' && text[i] <= '9') {
      number = number * 10 + (text[i] - '0');
    } else {
      out.add(number);
      number = 0;
    }
  }
  return out;
}

Pids newcomers(const Pids& now, const Pids& before) {
  Pids out;
  for (int i = 0; i < now.count; ++i)
    if (!before.contains(now.pid[i])) out.add(now.pid[i]);
  return out;
}

void kill_with_children(const Pids& roots) {
  for (int i = 0; i < roots.count; ++i) kill_tree(roots.pid[i], 0);
}

OwnSessions::OwnSessions(bool wanted) {
  // The only place between libvirt's fork and its exec that is ours.
  static const bool installed = ::pthread_atfork(nullptr, nullptr, [] {
                                  if (t_own_sessions) ::setsid();
                                }) == 0;
  t_own_sessions = wanted && installed;
}

OwnSessions::~OwnSessions() { t_own_sessions = false; }

}  // namespace ktrial::vm
