#include "harness/spec/timeouts.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace ktrial::spec {
namespace {

class TimeoutsTest : public testing::Test {
 protected:
  void SetUp() override { unsetenv("KTRIAL_TIMEOUT_SCALE"); }
  void TearDown() override { unsetenv("KTRIAL_TIMEOUT_SCALE"); }
};

TEST_F(TimeoutsTest, OneFactorScalesEveryWait) {
  for (const Profile* profile : {&profile_tcg(), &profile_kvm()}) {
    const Timeouts one = make_timeouts(1, *profile), two = make_timeouts(2, *profile);
    for (auto wait : {&Timeouts::boot, &Timeouts::first_output, &Timeouts::heartbeat_silence,
                      &Timeouts::stall_seen, &Timeouts::late_report, &Timeouts::report_settle,
                      &Timeouts::shutdown, &Timeouts::monitor_reply})
      EXPECT_EQ(two.*wait, 2 * (one.*wait));
    EXPECT_EQ(one.duration_default, two.duration_default) << "stress time is no wait";
    EXPECT_GE(two.detectors.watchdog_thresh_s, one.detectors.watchdog_thresh_s);
  }
}

TEST_F(TimeoutsTest, TheEnvironmentMultiplies) {
  const Timeouts one = make_timeouts(1, profile_kvm());
  setenv("KTRIAL_TIMEOUT_SCALE", "0.5", 1);
  EXPECT_EQ(make_timeouts(1, profile_kvm()).boot, one.boot / 2);
  EXPECT_EQ(environment_scale(), 0.5);
  for (const char* bad : {"x", "0", "-1", "1e9", "nan", "2x"}) {
    setenv("KTRIAL_TIMEOUT_SCALE", bad, 1);
    ASSERT_FALSE(environment_scale()) << bad;
    EXPECT_EQ(environment_scale().error().kind, ErrorKind::usage);
  }
}

// The RCU report resets the soft-lockup clock, so it must come second; and the
// kernel refuses values outside its limits.
TEST_F(TimeoutsTest, DetectorsKeepTheirOrderAtAnyScale) {
  for (const Profile* profile : {&profile_tcg(), &profile_kvm()})
    for (double scale : {0.01, 0.3, 1.0, 1.7, 4.0, 12.0, 1000.0}) {
      const Detectors d = make_timeouts(scale, *profile).detectors;
      EXPECT_GT(d.rcu_stall_s, 2.4 * d.watchdog_thresh_s) << scale;
      EXPECT_GE(d.watchdog_thresh_s, 1);
      EXPECT_LE(d.watchdog_thresh_s, 60);
      EXPECT_GE(d.rcu_stall_s, 3);
      EXPECT_LE(d.rcu_stall_s, 300);
      EXPECT_GE(d.hung_task_check_s, 1);
      EXPECT_LE(d.hung_task_check_s, d.hung_task_s);
    }
}

// A stall of all CPUs that still take interrupts is reported 2 to 2.4 thresholds later, on
// TCG up to 3: with the kernel's own words it has the same title as on fewer CPUs.
TEST_F(TimeoutsTest, TheKernelSpeaksBeforeItsSilenceIsJudged) {
  for (double scale : {1.0, 1.5, 2.0, 4.0, 12.0, 1000.0}) {
    const Timeouts tcg = make_timeouts(scale, profile_tcg()),
                   kvm = make_timeouts(scale, profile_kvm());
    EXPECT_GE(tcg.heartbeat_silence.count(), 3000 * tcg.detectors.watchdog_thresh_s) << scale;
    EXPECT_GE(kvm.heartbeat_silence.count(), 2400 * kvm.detectors.watchdog_thresh_s) << scale;
  }
}

TEST_F(TimeoutsTest, AWholeTrialLeavesTheDetectorsTimeToSpeak) {
  const Timeouts t = make_timeouts(1, profile_tcg());
  const Milliseconds duration = std::chrono::seconds(10);
  EXPECT_GT(t.whole_trial(duration),
            t.boot + duration + std::chrono::seconds(t.detectors.hung_task_s) + t.shutdown);
}

TEST_F(TimeoutsTest, ScaleFollowsOvercommitment) {
  EXPECT_EQ(load_scale(4, 2), 2);
  EXPECT_EQ(load_scale(2, 16), 1);
  EXPECT_EQ(load_scale(4, 0), 4);
}

TEST_F(TimeoutsTest, DetectorArgumentsAreKernelParameters) {
  EXPECT_EQ(detector_arguments({5, 20, 40, 6}),
            (std::vector<std::string>{"watchdog_thresh=5", "rcupdate.rcu_cpu_stall_timeout=20",
                                      "sysctl.kernel.hung_task_timeout_secs=40",
                                      "sysctl.kernel.hung_task_check_interval_secs=6",
                                      "sysctl.kernel.hung_task_warnings=3"}));
}

}  // namespace
}  // namespace ktrial::spec
