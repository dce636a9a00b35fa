// The main loop over a scripted guest, in virtual time.
#include "harness/trial/trial_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/trial/fake_guest.h"
#include "harness/trial/fake_recorder.h"
#include "harness/trial/kept_evidence.h"
#include "results/store/json.h"

namespace ktrial::trial {
namespace {
using namespace std::chrono_literals;
using results::Kind;
using results::Outcome;
using results::TrialRecord;
using testing::HasSubstr;

// Its waits are virtual: a slow host's scale has no part in them.
[[maybe_unused]] const int kUnscaled = ::unsetenv("KTRIAL_TIMEOUT_SCALE");

constexpr auto kNever = GuestScript::kNever;
constexpr char kNullOops[] =
    "[    9.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008";
constexpr char kLockup[] =
    "[   26.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [stress:71]";

// Forks once for all tests.
Janitor& janitor() {
  static Result<Janitor> one = Janitor::start();
  return *one;
}

Plan plan_of(vm::Accel accel = vm::Accel::tcg) {
  Plan plan;
  plan.workload.emplace();
  plan.workload->name = "stress";
  plan.trace.off = true;
  plan.accel.accel = accel;
  plan.timeouts =
      spec::make_timeouts(1, accel == vm::Accel::kvm ? spec::profile_kvm() : spec::profile_tcg());
  plan.progress = 10s;
  plan.total = plan.timeouts.whole_trial(10s);
  return plan;
}

// One trial of a guest, on a clock of its own.
struct Trial {
  explicit Trial(GuestScript script, Plan what = plan_of())
      : guest(clock, std::move(script)), plan(std::move(what)) {
    guest.install(plan);
  }
  Result<TrialRecord> run() {
    const auto dir = TempDir::create();
    FakeRecorder recorder(dir->path(), clock);
    auto record = run_trial({io, clock, janitor(), recorder, active}, plan, dir->path());
    recorder.finish();
    events = recorder.all;
    for (const auto& entry : std::filesystem::directory_iterator(dir->path()))
      files[entry.path().filename()] =
          entry.is_regular_file() ? read_file(entry.path()).value_or("") : "";
    if (record && looks_back) judge_again(dir->path(), *record);
    return record;
  }
  // From what it left behind: all of it, and what a ktrial before evidence.json did.
  void judge_again(const std::filesystem::path& folder, const TrialRecord& record) {
    const results::SpecSummary spec{.workload = plan.workload->name};
    for (std::optional<TrialRecord>* into : {&again, &as_older}) {
      const auto kept = read_evidence(folder, record, spec);
      ASSERT_TRUE(kept) << kept.error().message;
      EXPECT_EQ(kept->assumed.empty(), into == &again);
      *into = judged_again(*kept, record);
      std::filesystem::remove(folder / kEvidenceFile);
    }
  }
  boost::asio::io_context io;
  FakeClock clock;
  std::string events;
  Monitor* active = nullptr;
  FakeGuest guest;
  Plan plan;
  std::map<std::string, std::string> files;
  bool looks_back = false;
  std::optional<TrialRecord> again, as_older;  // judged once more
};

struct Case {
  const char* name;
  std::function<void(GuestScript&)> change;
  Outcome outcome;
  Kind kind;
  const char* text = "";  // in title or reason
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

auto at(GuestScript::Time time, std::function<void(FakeGuest&)> what) {
  return [=](GuestScript& s) { s.happenings.emplace_back(time, what); };
}
auto exits(wire::ExitKind kind, int value) {
  return [=](GuestScript& s) { s.exit = {.kind = kind, .value = value}; };
}
constexpr auto P = Outcome::pass, F = Outcome::fail, I = Outcome::inconclusive;

// Every verdict::Ending, with what can come of it.
const Case kCases[] = {
    // AgentResult
    {"Pass", [](GuestScript&) {}, P, Kind::none, "finished"},
    {"WorkloadFails", exits(wire::ExitKind::exited, 1), F, Kind::workload, "status 1"},
    {"WorkloadCannotRun", exits(wire::ExitKind::exited, 2), I, Kind::workload_unfit},
    {"WorkloadCrashes", exits(wire::ExitKind::signaled, 11), F, Kind::workload, "signal 11"},
    {"WorkloadDoesNotStart", exits(wire::ExitKind::not_started, 2), I, Kind::workload_not_started},
    {"WorkloadIsSlow", [](GuestScript& s) { s.runs_for = kNever; }, I, Kind::workload_slow,
     "made progress but did not finish"},
    {"ReportIsLost",
     [](GuestScript& s) {
       s.before = {{{"warn_count", 0}}};
       s.after = {{{"warn_count", 1}}};
     },
     F, Kind::lost_report, "warn_count+1"},
    {"GuestDoesNotPowerOff", [](GuestScript& s) { s.powers_off = false; }, P, Kind::none},
    // ConsoleReport
    {"Oops", at(4s, [](FakeGuest& g) { g.print(kNullOops); }), F, Kind::null_dereference, "BUG: "},
    {"OopsInBoot",
     [](GuestScript& s) {
       s.hello = kNever;
       s.happenings.emplace_back(1s, [](FakeGuest& g) { g.print(kNullOops); });
     },
     F, Kind::null_dereference, "boot"},
    {"SoftLockup",
     [](GuestScript& s) {
       s.runs_for = kNever;
       s.last_progress = 4s;
       s.happenings.emplace_back(10s, [](FakeGuest& g) { g.print(kLockup); });
     },
     F, Kind::soft_lockup, "soft lockup"},
    // HeartbeatSilence
    {"OneCpuIsSilent",
     [](GuestScript& s) {
       s.last_beat[1] = 4s;
       s.runs_for = kNever;
     },
     F, Kind::silent_stall, "CPU 1 stopped beating"},
    {"AllCpusAreSilent", at(4s, [](FakeGuest& g) { g.freeze(); }), F, Kind::silent_stall,
     "all CPUs stopped beating"},
    {"NoCpuEverBeats",
     [](GuestScript& s) {
       s.last_beat = {{0, 0s}, {1, 0s}};
       s.runs_for = kNever;
     },
     F, Kind::silent_stall},
    {"ACpuHangsWhileTheWorkloadEnds", [](GuestScript& s) { s.last_beat[1] = 3s; }, F,
     Kind::silent_stall, "CPU 1"},
    {"SilenceThatAnNmiExplains",
     [](GuestScript& s) {
       s.happenings.emplace_back(4s, [](FakeGuest& g) { g.freeze(); });
       s.on_nmi = [](FakeGuest& g) {
         g.print("[   30.000000] Kernel panic - not syncing: NMI: Not continuing");
         g.end("guest-reset");
       };
     },
     F, Kind::silent_stall, "all CPUs"},
    {"SilenceWithADeafMonitor",
     [](GuestScript& s) {
       s.happenings.emplace_back(4s, [](FakeGuest& g) {
         g.freeze();
         g.machine().mute = Error{ErrorKind::environment, "QMP does not answer"};
       });
     },
     I, Kind::vm_stopped, "nothing could be seen of the machine: QMP does not answer"},
    // ProgressSilence
    {"WorkloadStandsStill",
     [](GuestScript& s) {
       s.last_progress = 4s;
       s.runs_for = kNever;
     },
     F, Kind::workload_stall, "while all CPUs beat"},
    // VmEnded
    {"GuestResets", at(4s, [](FakeGuest& g) { g.end("guest-reset"); }), F, Kind::reset, "reset"},
    {"GuestResetsInBoot", at(1s, [](FakeGuest& g) { g.end("guest-reset"); }), F, Kind::reset,
     "boot"},
    {"GuestResetsBeforeItPrints", at(100ms, [](FakeGuest& g) { g.end("guest-reset"); }), I,
     Kind::guest_shutdown},
    {"GuestPowersOffEarly", at(4s, [](FakeGuest& g) { g.end("guest-shutdown"); }), I,
     Kind::guest_shutdown},
    {"QemuDies", at(4s, [](FakeGuest& g) { g.end("", {.signaled = true, .value = 9}); }), I,
     Kind::vm_died},
    // VmStopped
    {"KvmGivesUp",
     at(4s, [](FakeGuest& g) { g.machine().happen(vm::Stopped{"KVM internal error"}); }), I,
     Kind::vm_stopped, "internal-error"},
    // ChannelLost, ProtocolError
    {"ChannelIsLost", at(4s, [](FakeGuest& g) { g.lose_channel(); }), I, Kind::channel_lost},
    {"ChannelIsLostBecauseTheGuestResets",
     [](GuestScript& s) {
       s.happenings.emplace_back(4s, [](FakeGuest& g) { g.lose_channel(); });
       s.happenings.emplace_back(4500ms, [](FakeGuest& g) { g.end("guest-reset"); });
     },
     F, Kind::reset},
    {"AgentSaysGarbage", at(4s, [](FakeGuest& g) { g.say_garbage(); }), I, Kind::protocol},
    {"AgentSaysGarbageInBoot", at(1s, [](FakeGuest& g) { g.say_garbage(); }), I, Kind::protocol},
    // DeadlinePassed
    {"NoKernelLine", [](GuestScript& s) { s.banner = s.hello = kNever; }, I, Kind::no_boot,
     "printed nothing"},
    {"NoHello", [](GuestScript& s) { s.hello = kNever; }, I, Kind::no_boot, "Linux version"},
    {"NobodyEndsTheWorkload",
     [](GuestScript& s) {
       s.runs_for = kNever;
       s.obeys_deadline = false;
     },
     I, Kind::deadline, "time limit"},
    // The host's limit counts from the VM's start: after a slow boot the workload's own must
    // still come first, or a workload that is merely slow gets an autopsy.
    {"SlowBootAndSlowWorkload",
     [](GuestScript& s) {
       s.hello = 40s;
       s.runs_for = kNever;
     },
     I, Kind::workload_slow, "made progress but did not finish"},
};

class EndingTest : public testing::TestWithParam<Case> {};
TEST_P(EndingTest, ComesToItsVerdict) {
  const Case& c = GetParam();
  GuestScript script;
  c.change(script);
  Trial trial(script);
  trial.looks_back = true;
  const auto record = trial.run();
  ASSERT_TRUE(record) << record.error().message;
  const results::Verdict& verdict = record->verdict;
  EXPECT_EQ(verdict.outcome, c.outcome) << verdict.reason << "\n" << trial.events;
  EXPECT_EQ(verdict.kind.name(), name(c.kind)) << verdict.reason;
  EXPECT_THAT(verdict.title + "\n" + verdict.reason, HasSubstr(c.text));
  EXPECT_EQ(verdict.signature.empty(), c.outcome != Outcome::fail);
  EXPECT_EQ(trial.active, nullptr) << "no signal may reach a trial that is over";
  EXPECT_TRUE(trial.files.contains("qemu.sh"));
  if (!record->incident.autopsy.empty()) {
    EXPECT_TRUE(trial.files.contains("autopsy.txt")) << trial.events;
  }
  ASSERT_TRUE(trial.again && trial.as_older);
  EXPECT_EQ(trial.again->verdict, verdict);
  EXPECT_EQ(trial.as_older->verdict, verdict);
  for (const auto& judged : {*trial.again, *trial.as_older}) {
    EXPECT_EQ(judged.incident.chain, record->incident.chain);
    EXPECT_EQ(judged.incident.victims, record->incident.victims);
    EXPECT_EQ(judged.findings.size(), record->findings.size());
    EXPECT_EQ(judged.counters, record->counters);
  }
}
INSTANTIATE_TEST_SUITE_P(Endings, EndingTest, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(TrialLoopTest, TheUserIsHeardAtAnyTime) {
  for (auto when : {1s, 2s, 4s, 6s}) {
    Trial trial({});
    trial.clock.after(when, [&] {
      ASSERT_NE(trial.active, nullptr);
      trial.active->interrupt(2);
    });
    const auto record = trial.run();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->verdict.kind, Kind::interrupted) << when.count();
  }
}

// What may go wrong, at any time: the kernel is blamed for what it did, and for nothing else.
TEST(TrialLoopTest, AnyTroubleAtAnyTimeIsBlamedOnWhoeverMadeIt) {
  const struct {
    const char* name;
    std::function<void(FakeGuest&)> what;
    Kind kind;
    bool of_the_kernel;
  } kTroubles[] = {
      {"oops", [](FakeGuest& g) { g.print(kNullOops); }, Kind::null_dereference, true},
      {"lockup", [](FakeGuest& g) { g.print(kLockup); }, Kind::soft_lockup, true},
      {"reset", [](FakeGuest& g) { g.end("guest-reset"); }, Kind::reset, true},
      {"freeze", [](FakeGuest& g) { g.freeze(); }, Kind::silent_stall, true},
      {"shutdown", [](FakeGuest& g) { g.end("guest-shutdown"); }, Kind::guest_shutdown, false},
      {"killed", [](FakeGuest& g) { g.end("", {.signaled = true, .value = 9}); }, Kind::vm_died,
       false},
      {"stopped", [](FakeGuest& g) { g.machine().happen(vm::Stopped{"I/O error"}); },
       Kind::vm_stopped, false},
      {"channel", [](FakeGuest& g) { g.lose_channel(); }, Kind::channel_lost, false},
      {"garbage", [](FakeGuest& g) { g.say_garbage(); }, Kind::protocol, false},
  };
  int trials = 0, passed = 0;
  for (const vm::Accel accel : {vm::Accel::tcg, vm::Accel::kvm})
    for (const auto& trouble : kTroubles)
      for (auto when = 350ms; when < 7200ms; when += 450ms) {
        GuestScript script;
        script.happenings.emplace_back(when, trouble.what);
        Trial trial(script, plan_of(accel));
        const auto record = trial.run();
        ASSERT_TRUE(record) << record.error().message;
        const results::Verdict& verdict = record->verdict;
        SCOPED_TRACE(std::string(trouble.name) + " at " + std::to_string(when.count()) +
                     " ms: " + verdict.reason);
        ++trials;
        if (verdict.outcome == Outcome::pass) {
          ++passed;
          EXPECT_GT(when, 7s) << "only what comes after the workload's end does no harm";
          continue;
        }
        if (trouble.kind == Kind::silent_stall && when < 2s) {
          EXPECT_EQ(verdict.kind, Kind::no_boot) << "a guest that never spoke was not judged";
          continue;
        }
        EXPECT_EQ(verdict.kind.name(), name(trouble.kind));
        EXPECT_EQ(verdict.outcome == Outcome::fail, trouble.of_the_kernel);
      }
  EXPECT_EQ(trials, 2 * 9 * 16);
  EXPECT_LT(passed, trials / 10);
}

TEST(TrialLoopTest, ARecordSaysWhatRan) {
  Plan plan = plan_of();
  plan.kernel_facts = {.release = "6.1.0-fake",
                       .commit = std::string(40, 'a'),
                       .architecture = "x86_64",
                       .image_sha256 = "00"};
  plan.host_facts = {.name = "box", .cores = 2, .qemu = "7.2"};
  GuestScript script{.before = {{{"oops_count", 0}}}, .after = {{{"oops_count", 0}}}};
  script.happenings.emplace_back(
      3s, [](FakeGuest& g) { g.say(wire::Progress{1, 0, "rounds; late_us=7"}); });
  const auto record = Trial(script, plan).run();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->kernel.compiler, "gcc 12") << "out of the banner";
  EXPECT_EQ(record->kernel.commit, std::string(40, 'a'));
  EXPECT_EQ(record->host, plan.host_facts);
  EXPECT_DOUBLE_EQ(record->boot_s, 2);
  EXPECT_GT(record->duration_s, 7);
  EXPECT_EQ(record->counters, (results::Counters{{"oops_count", 0}, {"stress.late_us", 7}}));
  EXPECT_EQ(record->accel, "tcg");
}

TEST(TrialLoopTest, TheSameGuestMakesTheSameRecord) {
  const auto once = [] {
    GuestScript script;
    script.happenings.emplace_back(4s, [](FakeGuest& g) { g.freeze(); });
    auto record = Trial(script).run();
    record->started_at = {};
    return results::dump(results::to_json(*record));
  };
  EXPECT_EQ(once(), once());
}

TEST(TrialLoopTest, TheWorkloadsTimeEndsBeforeTheHosts) {
  for (auto boot : {1s, 20s, 50s}) {
    Trial trial({.hello = boot, .runs_for = kNever});
    ASSERT_TRUE(trial.run());
    const auto until = boot + std::chrono::nanoseconds(trial.guest.deadline_ns());
    EXPECT_LT(until, trial.plan.total) << boot.count();
    EXPECT_GE(until, trial.plan.total - trial.plan.timeouts.shutdown - 1s) << boot.count();
  }
}

TEST(TrialLoopTest, WhatCannotBeginIsAnErrorOfOurs) {
  Trial trial({});
  trial.plan.vmm.make = [](const vm::VmConfig&) -> Result<std::unique_ptr<vm::Vm>> {
    return fail(ErrorKind::environment, "no QEMU here");
  };
  const auto record = trial.run();
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().message, "no QEMU here");
  EXPECT_EQ(trial.active, nullptr);
}

TEST(TrialLoopTest, ATraceThatTheConsoleShowsIsKeptHoweverLongTheConsoleIs) {
  Plan plan = plan_of();
  plan.trace.off = false;
  GuestScript script;
  script.happenings.emplace_back(4s, [](FakeGuest& g) {
    for (int i = 0; i < 40; ++i) g.print(std::string(1 << 20, 'x'));  // more than a log's head
    g.print(kNullOops);
    g.print("[    9.012345] Dumping ftrace buffer:");
    g.print("[    9.012346] ---------------------------------");
    g.print(
        "[    9.012347]     sh-71         2d..2. 1115969us : sched_switch: prev_comm=sh "
        "prev_pid=71 prev_prio=120 prev_state=S ==> next_comm=x next_pid=9 next_prio=120");
    g.print("[    9.012349] ---------------------------------");
  });
  Trial trial(script, plan);
  const auto record = trial.run();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->trace.events, 1u);
  EXPECT_EQ(record->trace.source, "console");
  EXPECT_THAT(trial.files["trace.txt"], HasSubstr("sched_switch"));
  EXPECT_THAT(trial.events, HasSubstr("trace-lost")) << "this machine has no RAM to read";
}

}  // namespace
}  // namespace ktrial::trial
