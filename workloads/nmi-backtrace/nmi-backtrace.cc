// All-CPU backtraces by NMI, asked for from every CPU in turn (sysrq-l) while
// CPUs go offline and come back.
//
// The path runs in every stall report, when the machine is worst off, and it is
// easily wrong by one CPU: who asks traces itself, who is excluded stays silent,
// everyone else answers once ("nmi_backtrace: allow excluding an arbitrary CPU",
// 8d539b84f1e3, Linux 6.6, changed exactly that). What the kernel logs is read
// back and checked; the rules are in backtraces.h.
#include <fcntl.h>

#include <atomic>
#include <cstdio>
#include <cstring>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/hotplug.h"
#include "workloads/common/metronome.h"
#include "workloads/common/progress.h"
#include "workloads/common/system.h"
#include "workloads/common/threads.h"
#include "workloads/nmi-backtrace/backtraces.h"
#include "workloads/nmi-backtrace/plant.h"

using namespace ktrial::workload;

namespace {

constexpr char kTrigger[] = "/proc/sysrq-trigger";
constexpr double kDefaultDuration = 5;

std::int64_t askers = 1;
std::int64_t answer_s = 10;
std::int64_t pause_ms = 50;
std::int64_t hotplug_ms = 300;
std::int64_t seed = 1;
bool busy = true;
std::string plant = "none";

// Busy in turns, so that CPUs are met idle, in user mode and in the kernel.
std::atomic<bool> stop_busy{false};
void* be_busy(void*) {
  while (!stop_busy) {
    const std::int64_t end = now_ns() + 20'000'000;
    while (now_ns() < end) online_cpus();
    spin_until(end + 20'000'000);
    sleep_us(20'000);
  }
  return nullptr;
}

// One CPU that asks. All of a round are let go at once.
struct Asker {
  int cpu = kNobody;
  std::atomic<int>* waiting = nullptr;
  int error = 0;
};

void ask(Asker& asker) {
  // Before the write: a thread that was moved off its CPU would ask from another.
  if (!pin_to_cpu(asker.cpu)) asker.error = errno;
  for (--*asker.waiting; asker.waiting->load() > 0;) {
  }
  if (asker.error == 0) asker.error = write_file(kTrigger, "l");
}

void ask_all(const std::set<int>& cpus) {
  std::vector<Asker> all;
  std::atomic<int> waiting{static_cast<int>(cpus.size())};
  for (const int cpu : cpus) all.push_back({cpu, &waiting});
  std::vector<pthread_t> threads;
  const auto body = [](void* asker) -> void* {
    ask(*static_cast<Asker*>(asker));
    return nullptr;
  };
  for (std::size_t i = 1; i < all.size(); ++i) threads.push_back(start_thread(body, &all[i]));
  ask(all.front());
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  for (const Asker& asker : all)
    if (asker.error != 0)
      cannot_run("%s, from CPU %d: %s", kTrigger, asker.cpu, std::strerror(asker.error));
}

struct Sum {
  std::uint64_t rounds = 0, served = 0, answers = 0, idle = 0, lost = 0, disturbed = 0;
};

class Trial {
 public:
  explicit Trial(std::vector<int> cpus)
      : cpus_(std::move(cpus)),
        metronome_(cpus_),
        hotplug_(hotplug_ms, static_cast<std::uint64_t>(seed)) {}

  void round() {
    const std::set<int> from = next_askers();
    hotplug_.hold(from);
    const std::set<int> before = online_cpus();
    kmsg_.read();  // what was logged before
    BacktraceRequest request;
    request.first_sequence = kmsg_.next();
    ask_all(from);
    request.askers = from;
    const std::set<int> touched = hotplug_.touched();
    for (const int cpu : cpus_) {
      const bool switched = touched.contains(cpu);
      if (before.contains(cpu) && !switched) request.must.insert(cpu);
      if (before.contains(cpu) || switched) request.may.insert(cpu);
    }
    judge(request);
    hotplug_.release();
    ++sum_.rounds;
  }

  const Sum& finish() {
    hotplug_.stop();
    if (sum_.lost + sum_.disturbed == sum_.rounds && sum_.rounds > 0)
      cannot_run(
          "none of %llu rounds could be judged: lines were lost in %llu (log_buf_len=), the "
          "kernel reported a stall in %llu",
          static_cast<unsigned long long>(sum_.rounds), static_cast<unsigned long long>(sum_.lost),
          static_cast<unsigned long long>(sum_.disturbed));
    return sum_;
  }
  std::uint64_t cycles() const { return hotplug_.cycles(); }

 private:
  std::set<int> next_askers() {
    std::set<int> from;
    for (std::int64_t i = 0; i < askers; ++i)
      from.insert(cpus_[(turn_ + static_cast<std::size_t>(i)) % cpus_.size()]);
    ++turn_;
    return from;
  }

  // The kernel itself waits ten seconds for the answers. A CPU that answers
  // later, because its host was busy, is no fault: until all CPUs have run
  // threads for `answer_s` since.
  void judge(const BacktraceRequest& request) {
    std::vector<KmsgLine> lines = kmsg_.read();
    std::optional<double> limit;
    for (;;) {
      if (reports_stall(lines)) {
        ++sum_.disturbed;
        return;
      }
      const std::vector<KmsgLine> seen = planted(lines, plant);
      const BacktraceVerdict verdict = check_backtraces(seen, request);
      if (!verdict.broken.empty()) fail(verdict.broken.front(), seen);
      if (verdict.lost || verdict.unanswered.empty()) return add(verdict);
      if (!limit) limit = metronome_.seconds() + static_cast<double>(answer_s);
      if (metronome_.seconds() > *limit)
        fail("CPUs " + cpu_list(verdict.unanswered) + " ran threads for " +
                 std::to_string(answer_s) + " s and did not answer the NMI",
             seen);
      sleep_us(10'000);
      for (KmsgLine& line : kmsg_.read()) lines.push_back(std::move(line));
    }
  }

  // The lines of the log that the sentence is about go before it.
  [[noreturn]] static void fail(const std::string& what, const std::vector<KmsgLine>& lines) {
    for (const KmsgLine& line : lines)
      if (line.text.starts_with("NMI backtrace for") || line.text.starts_with("Sending NMI"))
        std::printf("kmsg %llu: %s\n", static_cast<unsigned long long>(line.sequence),
                    line.text.c_str());
    broken("%s", what.c_str());
  }

  void add(const BacktraceVerdict& verdict) {
    sum_.served += static_cast<std::uint64_t>(verdict.served);
    sum_.answers += static_cast<std::uint64_t>(verdict.answers);
    sum_.idle += static_cast<std::uint64_t>(verdict.idle);
    if (verdict.lost) ++sum_.lost;
  }

  std::vector<int> cpus_;
  Metronome metronome_;
  Hotplug hotplug_;
  KmsgReader kmsg_;
  Sum sum_;
  std::size_t turn_ = 0;
};

void run(double duration_s) {
  const std::vector<int> cpus = allowed_cpus();
  std::vector<pthread_t> threads;
  if (busy)
    for (const int cpu : cpus) threads.push_back(start_thread_on(cpu, be_busy, nullptr));
  Trial trial(cpus);  // from here on CPUs go and come back
  const Deadline deadline(duration_s);
  Progress progress("requests");
  progress.report(0, 0);
  std::uint64_t rounds = 0;
  do {
    trial.round();
    progress.report(++rounds, 0);
    sleep_us(pause_ms * 1000);
  } while (!deadline.passed());
  stop_busy = true;
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  const Sum& sum = trial.finish();
  std::printf(
      "nmi-backtrace: %llu rounds on %zu CPUs, %llu requests served, %llu traces and %llu idle "
      "CPUs answered, %llu rounds not judged (lines lost), %llu disturbed by a stall report, %llu "
      "times a CPU went and came back\n",
      static_cast<unsigned long long>(sum.rounds), cpus.size(),
      static_cast<unsigned long long>(sum.served), static_cast<unsigned long long>(sum.answers),
      static_cast<unsigned long long>(sum.idle), static_cast<unsigned long long>(sum.lost),
      static_cast<unsigned long long>(sum.disturbed),
      static_cast<unsigned long long>(trial.cycles()));
}

}  // namespace

int main(int argc, char** argv) {
  const double duration_s = parse_arguments(argc, argv,
                                            {{"askers", Integer{&askers, 1, 16}},
                                             {"hotplug_ms", Integer{&hotplug_ms, -1, 100'000}},
                                             {"pause_ms", Integer{&pause_ms, 0, 5'000}},
                                             {"busy", Boolean{&busy}},
                                             {"answer_s", Integer{&answer_s, 1, 600}},
                                             {"seed", Integer{&seed, 0, 1'000'000'000}},
                                             {"plant", Choice{&plant, plant_names()}}});
  require_trial_guest();
  run(duration_s > 0 ? duration_s : kDefaultDuration);
  return kHealthy;
}
