#include "workloads/common/child.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"

namespace ktrial::workload {
namespace {

constexpr char kSelf[] = "/proc/self/exe";
constexpr char kHidden[] = "--ktrial-child=";
constexpr std::size_t kChildStack = 64 * 1024;  // bytes
constexpr std::uint64_t kUntouched = 0x1122334455667788;

// "--ktrial-child=BEHAVIOUR,STATUS,HOLD_US"; no allocation, it is made in vfork children too.
struct HiddenArgument {
  char text[64];
  HiddenArgument(Behaviour behaviour, int status, std::int64_t hold_us) {
    char* at = std::copy(std::begin(kHidden), std::end(kHidden) - 1, text);
    at = std::to_chars(at, std::end(text), static_cast<int>(behaviour)).ptr;
    *at++ = ',';
    at = std::to_chars(at, std::end(text), status).ptr;
    *at++ = ',';
    at = std::to_chars(at, std::end(text), hold_us).ptr;
    *at = 0;
  }
};

void raw_sleep(std::int64_t us) {
  timespec t{us / 1'000'000, us % 1'000'000 * 1000};
  while (syscall(SYS_nanosleep, &t, &t) != 0) {
  }
}

// Until SIGKILL; a parent that died must not leave sleepers behind.
[[noreturn]] void sleep_until_killed() {
  for (;;) raw_sleep(86'400'000'000);
}

void hold(Behaviour behaviour, std::int64_t us) {
  if (behaviour == Behaviour::sleep) raw_sleep(us);
  if (behaviour == Behaviour::spin) spin_until(now_ns() + us * 1000);
}

// In the child. It may run on its parent's memory, even its stack: nothing but
// raw system calls and stores that are meant to be seen.
[[noreturn]] void child_body(Slot& slot) {
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (!shares_memory(slot.variant)) slot.private_word.store(~kUntouched);
  if (slot.behaviour == Behaviour::killed) {
    if (shares_memory(slot.variant)) {
      slot.kill_at.store(now_ns() + slot.hold_us * 1000);
      slot.to_kill.store(static_cast<pid_t>(syscall(SYS_getpid)));
    }
    sleep_until_killed();
  }
  hold(slot.behaviour, slot.hold_us);
  const HiddenArgument hidden(Behaviour::exit, slot.status, 0);
  char name[] = "child";
  char* argv[] = {name, const_cast<char*>(hidden.text), nullptr};
  char* environment[] = {nullptr};
  slot.released.store(true);
  if (slot.behaviour == Behaviour::exit) _exit(slot.status);
  syscall(SYS_execve, kSelf, argv, environment);
  _exit(127);
}

int child_on_own_stack(void* slot) { child_body(*static_cast<Slot*>(slot)); }

pid_t spawn(const Slot& slot) {
  const HiddenArgument hidden(slot.behaviour, slot.status, slot.hold_us);
  char name[] = "child";
  char* argv[] = {name, const_cast<char*>(hidden.text), nullptr};
  char* environment[] = {nullptr};
  pid_t pid = -1;
  errno = posix_spawn(&pid, kSelf, nullptr, nullptr, argv, environment);
  return errno ? -1 : pid;
}

pid_t clone3_copying() {
  clone_args args{};
  args.exit_signal = SIGCHLD;
  return static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof args));
}

// The C library has no wrapper: the child must come up on its new stack and
// never return through our frame.
pid_t clone3_sharing([[maybe_unused]] Slot& slot) {
#ifdef __x86_64__
  clone_args args{};
  args.flags = CLONE_VM | CLONE_VFORK;
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<std::uint64_t>(slot.stack.get());
  args.stack_size = kChildStack;
  long result = SYS_clone3;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "mov %[slot], %%rdi\n\t"
      "call *%[body]\n\t"
      "ud2\n"
      "1:"
      : "+a"(result)
      : "D"(&args), "S"(sizeof args), [slot] "r"(&slot), [body] "r"(&child_on_own_stack)
      : "rcx", "r11", "memory", "cc");
  if (result >= 0) return static_cast<pid_t>(result);
  errno = static_cast<int>(-result);
#else
  errno = ENOSYS;
#endif
  return -1;
}

}  // namespace

bool shares_memory(Variant variant) {
  return variant == Variant::vfork || variant == Variant::clone_vfork ||
         variant == Variant::clone3_vfork;
}

const char* name_of(Variant variant) {
  static constexpr const char* kNames[] = {"fork",  "clone3",      "posix_spawn",
                                           "vfork", "clone_vfork", "clone3_vfork"};
  return kNames[static_cast<int>(variant)];
}

const char* name_of(Behaviour behaviour) {
  static constexpr const char* kNames[] = {"exit", "exec", "sleep", "spin", "killed"};
  return kNames[static_cast<int>(behaviour)];
}

void require_exec() {
  if (access(kSelf, X_OK) != 0)
    cannot_run("%s: %s (is /proc mounted?)", kSelf, std::strerror(errno));
}

void become_child_if_asked(int argc, char** argv) {
  if (argc != 2 || std::strncmp(argv[1], kHidden, sizeof kHidden - 1) != 0) return;
  int behaviour = 0, status = 0;
  long long hold_us = 0;
  if (std::sscanf(argv[1] + sizeof kHidden - 1, "%d,%d,%lld", &behaviour, &status, &hold_us) != 3)
    _exit(126);
  if (static_cast<Behaviour>(behaviour) == Behaviour::killed) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sleep_until_killed();
  }
  hold(static_cast<Behaviour>(behaviour), hold_us);
  _exit(status);
}

pid_t start_child(Slot& slot) {
  slot.released.store(false);
  slot.private_word.store(kUntouched);
  const bool own_stack =
      slot.variant == Variant::clone_vfork || slot.variant == Variant::clone3_vfork;
  if (own_stack && !slot.stack) slot.stack = std::make_unique<char[]>(kChildStack);
  pid_t pid = -1;
  switch (slot.variant) {
    case Variant::fork:
      pid = fork();
      break;
    case Variant::clone3:
      pid = clone3_copying();
      break;
    case Variant::posix_spawn:
      return spawn(slot);
    case Variant::vfork:
      pid = vfork();
      break;
    case Variant::clone_vfork:
      return clone(child_on_own_stack, slot.stack.get() + kChildStack,
                   CLONE_VM | CLONE_VFORK | SIGCHLD, &slot);
    case Variant::clone3_vfork:
      return clone3_sharing(slot);
  }
  if (pid == 0) child_body(slot);
  return pid;
}

void kill_if_due(Slot& slot) {
  const pid_t pid = slot.to_kill.load();
  if (pid == 0 || now_ns() < slot.kill_at.load()) return;
  slot.to_kill.store(0);
  slot.released.store(true);
  // It sleeps until this, and is reaped after it: the pid is still its own.
  if (kill(pid, SIGKILL) != 0)
    broken("vfork child %d, asleep until killed, is gone: %s", pid, std::strerror(errno));
}

void reap_and_check(Slot& slot, pid_t child) {
  const char* variant = name_of(slot.variant);
  const char* behaviour = name_of(slot.behaviour);
  if (shares_memory(slot.variant) && !slot.released.load())
    broken("%s/%s: the parent ran on before its child left the shared mm", variant, behaviour);
  if (!shares_memory(slot.variant) && slot.behaviour == Behaviour::killed) {
    sleep_us(slot.hold_us);
    if (kill(child, SIGKILL) != 0)
      broken("%s/%s: the sleeping child is gone: %s", variant, behaviour, std::strerror(errno));
  }
  int status = 0;
  pid_t got;
  do {
    got = waitpid(child, &status, 0);
  } while (got < 0 && errno == EINTR);
  if (got != child) broken("%s/%s: waitpid: %s", variant, behaviour, std::strerror(errno));
  const bool as_planned = slot.behaviour == Behaviour::killed
                              ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                              : WIFEXITED(status) && WEXITSTATUS(status) == slot.status;
  if (!as_planned)
    broken("%s/%s: wait status %#x, planned was %s %d", variant, behaviour, status,
           slot.behaviour == Behaviour::killed ? "signal" : "exit",
           slot.behaviour == Behaviour::killed ? SIGKILL : slot.status);
  if (slot.private_word.load() != kUntouched)
    broken("%s/%s: a child's write to its own copy is seen by the parent", variant, behaviour);
}

}  // namespace ktrial::workload
