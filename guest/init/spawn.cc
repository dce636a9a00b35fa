#include "guest/init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "guest/init/system.h"

namespace ktrial::init {
namespace {

constexpr std::size_t kChildStack = 256 * 1024;  // bytes
#ifdef __SANITIZE_THREAD__
constexpr int kShareMemory = 0;  // ThreadSanitizer takes a child on its memory for itself
#else
constexpr int kShareMemory = CLONE_VM;
#endif
constexpr int kFirstFree = 10;  // above the descriptors that the child gives a meaning to

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

// Moves `fd` out of the way of 0 to 3.
int move_up(int fd) {
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree);
  close(fd);
  return moved;
}

bool open_pipe(Pipe& made) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  made.read_end = move_up(ends[0]);
  made.write_end = move_up(ends[1]);
  if (made.read_end >= 0) fcntl(made.read_end, F_SETFL, O_NONBLOCK);
  return made.read_end >= 0 && made.write_end >= 0;
}

void close_if_open(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const std::string& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

// All that the child needs, made ready before it exists: it must not allocate.
struct Start {
  const char* program;
  char* const* argv;
  char* const* envp;
  int input, out, err, progress, cgroup_procs;
  const wire::Run* run;
  volatile int* error;  // errno, in memory that is shared in any case
};

void limit(int resource, std::uint64_t value) {
  if (value == 0) return;
  const rlimit both = {value, value};
  setrlimit(static_cast<__rlimit_resource_t>(resource), &both);
}

// Runs in the child, on our memory: system calls only.
int child(void* argument) {
  auto& start = *static_cast<Start*>(argument);
  setsid();
  if (start.cgroup_procs >= 0 && write(start.cgroup_procs, "0", 1) < 0) {
    *start.error = errno;
    return 127;
  }
  dup2(start.input, 0);
  dup2(start.out, 1);
  dup2(start.err, 2);
  dup2(start.progress, 3);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setpriority(PRIO_PROCESS, 0, 0);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  limit(RLIMIT_NPROC, start.run->max_processes);
  limit(RLIMIT_NOFILE, start.run->max_files);
  limit(RLIMIT_AS, start.run->max_memory);
  execve(start.program, start.argv, start.envp);
  *start.error = errno;
  return 127;
}

// The pid, or -1 with `error` set; `error` is set too if the child could not execute.
pid_t clone_child(Start& start, int& error) {
  void* stack =
      mmap(nullptr, kChildStack, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) {
    error = errno;
    return -1;
  }
  start.error = static_cast<int*>(stack);  // the far end of the stack; zero
  const pid_t pid = clone(child, static_cast<char*>(stack) + kChildStack,
                          kShareMemory | CLONE_VFORK | SIGCHLD, &start);
  error = pid < 0 ? errno : *start.error;
  munmap(stack, kChildStack);  // CLONE_VFORK: the child has executed or ended
  return pid;
}

}  // namespace

std::vector<std::string> full_environment(const std::vector<std::string>& given) {
  std::vector<std::string> all = {
      "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "HOME=/",
      "KTRIAL_PROGRESS_FD=3"};
  for (const std::string& entry : given) {
    const std::string name = entry.substr(0, entry.find('=')) + "=";
    std::erase_if(all, [&](const std::string& old) { return old.starts_with(name); });
    all.push_back(entry);
  }
  return all;
}

std::string find_program(const std::string& name, const std::vector<std::string>& environment) {
  if (name.empty() || name.find('/') != name.npos) return name;
  std::string_view path;
  for (std::string_view entry : environment) {
    if (entry.starts_with("PATH=")) path = entry.substr(5);
  }
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    std::string candidate = std::string(path.substr(0, end)) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return {};
}

Spawned spawn(const wire::Run& run, int cgroup_procs) {
  Spawned spawned;
  const std::vector<std::string> environment = full_environment(run.env);
  const std::string name = run.argv.empty() ? std::string() : run.argv[0];
  const std::string program = find_program(name, environment);
  if (program.empty()) {
    spawned.error = ENOENT;
    spawned.problem = with_errno("cannot find '" + name + "' in PATH", ENOENT);
    return spawned;
  }
  Pipe out, err, progress;
  const std::vector<char*> argv = pointers(run.argv);
  const std::vector<char*> envp = pointers(environment);
  int input = move_up(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (input < 0 || !open_pipe(out) || !open_pipe(err) || !open_pipe(progress)) {
    spawned.error = errno;
    spawned.problem = with_errno("cannot open pipes for the workload", errno);
  } else {
    Start start{program.c_str(), argv.data(),        envp.data(),  input, out.write_end,
                err.write_end,   progress.write_end, cgroup_procs, &run,  nullptr};
    spawned.pid = clone_child(start, spawned.error);
    if (spawned.error != 0) spawned.problem = with_errno("cannot run " + program, spawned.error);
  }
  close_if_open(input);
  for (Pipe* used : {&out, &err, &progress}) {
    close_if_open(used->write_end);
    if (spawned.error != 0) close_if_open(used->read_end);
  }
  spawned.out = out.read_end;
  spawned.err = err.read_end;
  spawned.progress = progress.read_end;
  return spawned;
}

}  // namespace ktrial::init
