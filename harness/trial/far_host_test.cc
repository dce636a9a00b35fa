// Trials whose machine runs on another host, of which only its libvirt tells.
#include <gtest/gtest.h>

#include <cstdlib>

#include "harness/base/file.h"
#include "harness/trial/fake_guest.h"
#include "harness/trial/fake_recorder.h"
#include "harness/trial/trial_loop.h"

namespace ktrial::trial {
namespace {
using namespace std::chrono_literals;
using results::Kind;
using results::Outcome;

[[maybe_unused]] const int kFarUnscaled = ::unsetenv("KTRIAL_TIMEOUT_SCALE");

// Of a workload that shows no progress from 4 s on, while CPUs beat.
results::TrialRecord stalled_on(std::function<Result<vm::FarTimes>(double)> host) {
  boost::asio::io_context io;
  FakeClock clock;
  static Result<Janitor> janitor = Janitor::start();
  FakeGuest guest(clock, {.last_progress = 4s, .runs_for = GuestScript::kNever, .far = host});
  Plan plan;
  plan.workload.emplace();
  plan.workload->name = "stress";
  plan.trace.off = true;
  plan.timeouts = spec::make_timeouts(1, spec::profile_tcg());
  plan.progress = 10s;
  plan.total = plan.timeouts.whole_trial(60s);
  guest.install(plan);
  const auto dir = TempDir::create();
  FakeRecorder recorder(dir->path(), clock);
  Monitor* active = nullptr;
  auto record = run_trial({io, clock, *janitor, recorder, active}, plan, dir->path());
  recorder.finish();
  EXPECT_TRUE(record);
  return record.value_or(results::TrialRecord{});
}

std::string fact_of(const results::TrialRecord& record, const std::string& name) {
  for (const auto& [key, value] : record.facts)
    if (key == name) return value;
  return "";
}

vm::FarTimes after(double seconds, double ran, std::optional<double> waited, double busy) {
  vm::FarTimes out{.vcpus = {{.cpu = 0, .ran_s = 50 + seconds * ran}},
                   .host = vm::FarTimes::Cpus{.busy_s = 900 + seconds * busy,
                                              .idle_s = 70 + seconds * (4 - busy)}};
  if (waited) out.vcpus[0].waited_s = 3 + seconds * *waited;
  return out;
}

TEST(FarHostTest, OneThatKeepsTheVcpusWaitingIsToBlame) {
  const auto record = stalled_on([](double s) { return after(s, .05, .95, 4); });
  EXPECT_EQ(record.verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(record.verdict.kind, Kind::host_starved) << record.verdict.reason;
  EXPECT_NE(record.verdict.reason.find("host starved vCPU 0"), std::string::npos);
  EXPECT_NE(fact_of(record, "host.vcpu0"), "");
  EXPECT_GE(std::atof(fact_of(record, "host.others_share").c_str()), .9);
  EXPECT_GT(std::atof(fact_of(record, "host.slowdown").c_str()), 3) << "seen at boot";
}

TEST(FarHostTest, OneThatTellsNoWaitsIsToBlameWhereItIsFullOfOthers) {
  const auto record = stalled_on([](double s) { return after(s, .05, {}, 4); });
  EXPECT_EQ(record.verdict.kind, Kind::host_starved) << record.verdict.reason;
  EXPECT_NE(record.verdict.reason.find("others had 99 %"), std::string::npos)
      << record.verdict.reason;
}

TEST(FarHostTest, OneThatIsIdleIsNot) {
  const auto record = stalled_on([](double s) { return after(s, 1, 0, 1.1); });
  EXPECT_EQ(record.verdict.kind, Kind::workload_stall) << record.verdict.reason;
  EXPECT_EQ(record.verdict.reason.find("not known"), std::string::npos);
  EXPECT_EQ(fact_of(record, "host.not_told"), "");
}

TEST(FarHostTest, OfOneThatTellsNothingThatIsSaid) {
  const auto record = stalled_on([](double) -> Result<vm::FarTimes> {
    return fail(ErrorKind::environment, "it may not be asked");
  });
  EXPECT_EQ(record.verdict.kind, Kind::workload_stall);
  EXPECT_NE(record.verdict.reason.find("; what its host gave it is not known: it may not be asked"),
            std::string::npos)
      << record.verdict.reason;
  EXPECT_EQ(fact_of(record, "host.not_told"), "it may not be asked");
}

}  // namespace
}  // namespace ktrial::trial
