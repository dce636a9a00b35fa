// Children of a storm: every way to create a process, and what the child does.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace ktrial::workload {

enum class Variant {
  fork,         // fork(3), with its atfork handlers
  clone3,       // clone3(2) that copies the mm
  posix_spawn,  // the C library's CLONE_VM|CLONE_VFORK and exec
  vfork,
  clone_vfork,   // clone(CLONE_VM|CLONE_VFORK) on a stack of its own
  clone3_vfork,  // the same by clone3
};
enum class Behaviour { exit, exec, sleep, spin, killed };  // sleep and spin end in an exec

// While the child lives in its parent's mm, the parent's thread stands still.
bool shares_memory(Variant variant);
const char* name_of(Variant variant);
const char* name_of(Behaviour behaviour);

// One child at a time, and what its parent's thread and a killer thread know of it.
struct Slot {
  Variant variant{};
  Behaviour behaviour{};
  int status = 0;            // the exit status that the child is to have
  std::int64_t hold_us = 0;  // how long it sleeps or spins, or until it is killed
  // Set by a child that shares our memory right before it leaves it, or by the
  // killer: before that, the parent must not run on.
  std::atomic<bool> released{false};
  std::atomic<pid_t> to_kill{0};         // a sleeper that shares our memory
  std::atomic<std::int64_t> kill_at{0};  // ns
  // A child with a copy of our memory writes here; we must not see it.
  std::atomic<std::uint64_t> private_word{0};
  std::unique_ptr<char[]> stack;  // of clone_vfork and clone3_vfork
};

// Whether we can start children at all (/proc/self/exe); exits with kCannotRun if not.
void require_exec();
// First thing in main: the exec'd child's side. Returns if we are no such child.
void become_child_if_asked(int argc, char** argv);

// The pid, or -1 and errno. With a variant that shares memory, the child has left it.
pid_t start_child(Slot& slot);
// Ends sleepers that are due; called again and again by the killer thread.
void kill_if_due(Slot& slot);
// Waits for the child and checks all that a healthy kernel upholds; exits with
// kBroken and a line if it does not.
void reap_and_check(Slot& slot, pid_t child);

}  // namespace ktrial::workload
