#include "guest/init/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "guest/init/spawn.h"
#include "guest/init/system.h"

namespace ktrial::init {
namespace {

constexpr std::size_t kChunk = 4096;  // bytes of one Output
// After SIGKILL. A process stuck in the kernel does not die: the host shall
// learn of it rather than wait.
constexpr std::uint64_t kGraceNs = 10'000'000'000;
constexpr char kCgroups[] = "/sys/fs/cgroup";

bool set_knob(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool whole = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return whole;
}

wire::Exit describe(int status) {
  wire::Exit exit;
  if (WIFSIGNALED(status)) {
    exit.kind = wire::ExitKind::signaled;
    exit.value = WTERMSIG(status);
    const char* words = sigdescr_np(exit.value);
    exit.detail = "signal " + std::to_string(exit.value);
    if (words) exit.detail += std::string(" (") + words + ")";
  } else {
    exit.kind = wire::ExitKind::exited;
    exit.value = WEXITSTATUS(status);
    exit.detail = "exit status " + std::to_string(exit.value);
  }
  return exit;
}

}  // namespace

Runner::Runner(bool alone, Send send) : alone_(alone), send_(std::move(send)) {}

Runner::~Runner() {
  if (running_) kill_all();
  close_pipes();
}

// A descriptor of the workload's cgroup.procs, or -1.
int Runner::limit_processes(std::uint64_t most) {
  if (!alone_ || most == 0) return -1;
  const std::string group = std::string(kCgroups) + "/workload";
  set_knob(std::string(kCgroups) + "/cgroup.subtree_control", "+pids");
  mkdir(group.c_str(), 0755);
  if (!set_knob(group + "/pids.max", std::to_string(most))) {
    send_(wire::Log{"max_processes is not enforced: this kernel has no pids cgroup"});
    return -1;
  }
  return open((group + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
}

void Runner::start(const wire::Run& run) {
  if (running_) {
    send_(wire::Log{"a workload is running already; the second Run was ignored"});
    return;
  }
  const int cgroup = limit_processes(run.max_processes);
  const std::uint64_t began = monotonic_ns();
  Spawned spawned = spawn(run, cgroup);
  if (cgroup >= 0) close(cgroup);
  if (spawned.error != 0) {  // a child that could not execute is reaped as a stranger
    send_(wire::Exit{wire::ExitKind::not_started, spawned.error, 0, spawned.problem});
    return;
  }
  running_ = true;
  reaped_ = deadline_passed_ = false;
  pid_ = spawned.pid;
  began_ns_ = began;
  deadline_ns_.reset();
  give_up_ns_.reset();
  // A deadline too far to be a time is none.
  if (run.deadline_ns != 0 && run.deadline_ns < ~began) deadline_ns_ = began + run.deadline_ns;
  lines_ = {};
  pipes_ = {{spawned.out, wire::Stream::out},
            {spawned.err, wire::Stream::err},
            {spawned.progress, std::nullopt}};
}

void Runner::append_polls(std::vector<pollfd>& polls) const {
  for (const Pipe& pipe : pipes_) polls.push_back({pipe.fd, POLLIN, 0});
}

void Runner::on_ready(int fd) {
  const auto found =
      std::find_if(pipes_.begin(), pipes_.end(), [fd](const Pipe& pipe) { return pipe.fd == fd; });
  if (found == pipes_.end()) return;
  char chunk[kChunk];
  const ssize_t got = read(fd, chunk, sizeof(chunk));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    close(fd);
    pipes_.erase(found);
    drained();
    return;
  }
  const std::string_view bytes(chunk, static_cast<std::size_t>(got));
  if (found->stream) {
    send_(wire::Output{*found->stream, std::string(bytes)});
    return;
  }
  const bool first_fault = lines_.malformed() == 0;
  for (wire::Progress& progress : lines_.feed(bytes)) send_(std::move(progress));
  if (first_fault && lines_.malformed() != 0) {
    send_(wire::Log{"a progress line is not of the form 'DONE TOTAL text'"});
  }
}

void Runner::kill_all() {
  kill(-pid_, SIGKILL);
  if (alone_) kill(-1, SIGKILL);
}

void Runner::on_reaped(pid_t pid, int status) {
  if (!running_ || reaped_ || pid != pid_) return;
  reaped_ = true;
  exit_ = describe(status);
  exit_.wall_ns = monotonic_ns() - began_ns_;
  if (deadline_passed_) {
    exit_.kind = wire::ExitKind::deadline;
    exit_.detail = "killed at its deadline";
  }
  deadline_ns_.reset();
  if (!give_up_ns_) give_up_ns_ = monotonic_ns() + kGraceNs;
  kill_all();  // leftovers; they also hold the pipes open
  drained();
}

void Runner::drained() {
  if (reaped_ && pipes_.empty()) finish();
}

std::optional<std::uint64_t> Runner::wakes_at() const {
  if (!running_) return std::nullopt;
  return give_up_ns_ ? give_up_ns_ : deadline_ns_;
}

void Runner::on_time(std::uint64_t now_ns) {
  if (!running_) return;
  if (deadline_ns_ && now_ns >= *deadline_ns_) {
    deadline_ns_.reset();
    deadline_passed_ = true;
    give_up_ns_ = now_ns + kGraceNs;
    kill_all();
  }
  if (!give_up_ns_ || now_ns < *give_up_ns_) return;
  if (!reaped_) {
    exit_ = {wire::ExitKind::deadline, SIGKILL, now_ns - began_ns_,
             "does not die: process " + std::to_string(pid_) + " was sent SIGKILL 10 s ago"};
  } else {
    exit_.detail += "; its output pipes are still held open";
  }
  finish();
}

void Runner::finish() {
  running_ = false;
  close_pipes();
  send_(exit_);
}

void Runner::close_pipes() {
  for (const Pipe& pipe : pipes_) close(pipe.fd);
  pipes_.clear();
}

}  // namespace ktrial::init
