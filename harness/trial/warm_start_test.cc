// Templates and their copies over a scripted guest, in virtual time.
#include "harness/trial/warm_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "harness/base/file.h"
#include "harness/trial/fake_guest.h"
#include "harness/trial/fake_recorder.h"
#include "harness/trial/trial_loop.h"

namespace ktrial::trial {
namespace {
using namespace std::chrono_literals;
namespace fs = std::filesystem;
using testing::HasSubstr;

// Of a process of its own for all tests of this file.
Janitor& janitor_of_copies() {
  static Result<Janitor> one = Janitor::start();
  return *one;
}

class WarmStartTest : public testing::Test {
 protected:
  explicit WarmStartTest(GuestScript script = {}) : guest_(clock_, std::move(script)) {
    plan_.workload.emplace();
    plan_.workload->name = "stress";
    plan_.trace.off = true;
    plan_.timeouts = spec::make_timeouts(1, spec::profile_tcg());
    plan_.progress = 10s;
    plan_.total = plan_.timeouts.whole_trial(10s);
    plan_.kernel.sha256 = "kernel";
    plan_.initramfs = dir_->path() / "initramfs";
    plan_.vmm.identity = [](const vm::VmConfig& config) {
      return config.kernel.string() + config.initrd.string() + config.command_line +
             std::to_string(config.cpus) + std::to_string(config.memory_mib);
    };
    EXPECT_TRUE(write_file_atomically(plan_.initramfs, "cpio"));
    fs::create_directories(dir_->path() / "trial");
    guest_.install(plan_);
  }
  ~WarmStartTest() override { fs::remove_all(store_); }
  void plan_it() {
    ASSERT_TRUE(plan_warm_start(plan_, {.folder = store_, .room = 4ull << 30}));
    ASSERT_TRUE(plan_.warm) << plan_.start_reason;
  }
  std::string key() {
    plan_it();
    return plan_.warm->key;
  }
  TrialContext context() { return {io_, clock_, janitor_of_copies(), recorder_, active_}; }
  Result<results::TrialRecord> run(const vm::TemplateStore::Lease& from) {
    return run_trial(context(), plan_, dir_->path() / "trial", &from);
  }

  boost::asio::io_context io_;
  FakeClock clock_;
  Result<TempDir> dir_ = TempDir::create();
  const fs::path store_ = "/dev/shm/ktrial-warm-test-" + std::to_string(::getpid());
  FakeGuest guest_;
  Plan plan_;
  FakeRecorder recorder_{dir_->path(), clock_};
  Monitor* active_ = nullptr;
};

TEST_F(WarmStartTest, TheFirstMakesItAndTheOthersDoNotBoot) {
  plan_it();
  for (int i = 0; i < 3; ++i) {
    const auto lease = take_template(context(), plan_);
    ASSERT_TRUE(lease) << lease.error().message;
    EXPECT_EQ(plan_.warm->made_in_s > 0, i == 0);
    plan_.warm->made_in_s = 0;
    const auto record = run(*lease);
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->verdict.outcome, results::Outcome::pass) << record->verdict.reason;
    EXPECT_EQ(record->start, "warm");
    EXPECT_LT(record->boot_s, 0.1);
    EXPECT_EQ(record->kernel.compiler, "gcc 12") << "out of the template's banner";
  }
  EXPECT_EQ(guest_.boots(), 1);
}

// Another may make one of the same name by then.
TEST_F(WarmStartTest, WhoMadeOneRemovesNoneWhenHeEnds) {
  auto janitor = std::make_unique<Janitor>(*Janitor::start());
  plan_it();
  {
    TrialContext maker{io_, clock_, *janitor, recorder_, active_};
    ASSERT_TRUE(take_template(maker, plan_));
  }
  const fs::path others = store_ / (plan_.warm->key + ".new");
  const fs::path last = dir_->path() / "last";  // it removes by name: this after that
  fs::create_directory(others);
  fs::create_directory(last);
  janitor->watch(last);
  const Fd events(::inotify_init1(IN_CLOEXEC));
  ASSERT_GE(::inotify_add_watch(events.get(), last.c_str(), IN_DELETE_SELF), 0);
  janitor.reset();
  std::array<char, 4096> event;
  ASSERT_GT(::read(events.get(), event.data(), event.size()), 0);
  EXPECT_TRUE(fs::exists(others));
}

TEST_F(WarmStartTest, CopiesAreToldDifferentSeedsAndTheTime) {
  plan_it();
  std::set<std::string> seeds;
  for (int i = 0; i < 8; ++i) {
    const auto lease = take_template(context(), plan_);
    ASSERT_TRUE(lease);
    const auto record = run(*lease);
    ASSERT_TRUE(record);
    for (const auto& [name, value] : record->facts)
      if (name == "guest.seed") seeds.insert(value);
  }
  EXPECT_EQ(seeds.size(), 8u);
  for (const wire::Resume& told : guest_.awakenings()) {
    EXPECT_EQ(told.seed.size(), spec::kSeedBytes);
    EXPECT_GT(told.wall_ns, 1'600'000'000'000'000'000u);
  }
}

TEST_F(WarmStartTest, ASeedCanBeGivenAgain) {
  plan_.spec.guest_seed = std::string(62, '0') + "ff";
  plan_it();
  const auto lease = take_template(context(), plan_);
  ASSERT_TRUE(lease && run(*lease));
  EXPECT_EQ(guest_.awakenings().front().seed, std::string(31, '\0') + '\xff');
}

struct LastWord {
  const char* name;
  std::function<void(GuestScript&)> change;
  bool shut_down;
};
class LastWordTest : public WarmStartTest, public testing::WithParamInterface<LastWord> {
 protected:
  LastWordTest() : WarmStartTest(script()) {}
  static GuestScript script() {
    GuestScript out;
    out.before = out.after = {{{"tainted", 0}}};
    GetParam().change(out);
    return out;
  }
};
TEST_P(LastWordTest, OnlyWhatPassedInSilenceIsCutOff) {
  plan_it();
  const auto lease = take_template(context(), plan_);
  ASSERT_TRUE(lease && run(*lease));
  EXPECT_EQ(recorder_.all.find("guest-shutdown") != std::string::npos, GetParam().shut_down)
      << recorder_.all;
}
INSTANTIATE_TEST_SUITE_P(
    Ends, LastWordTest,
    testing::Values(LastWord{"Silence", [](GuestScript&) {}, false},
                    LastWord{"Taint", [](GuestScript& s) { s.after = {{{"tainted", 512}}}; }, true},
                    LastWord{"NoCounters", [](GuestScript& s) { s.before = s.after = {}; }, true},
                    LastWord{"Failure", [](GuestScript& s) { s.exit = {.value = 1}; }, true}),
    [](const auto& one) { return std::string(one.param.name); });

class SleeperTest : public WarmStartTest {
 protected:
  SleeperTest() : WarmStartTest({.wakes = false}) {}
};

TEST_F(SleeperTest, ACopyThatDoesNotAnswerIsNotJudged) {
  plan_it();
  const auto lease = take_template(context(), plan_);
  ASSERT_TRUE(lease) << lease.error().message;
  const auto before = clock_.now();
  const auto record = run(*lease);
  ASSERT_TRUE(record);
  EXPECT_TRUE(never_woke(*record));
  EXPECT_EQ(record->verdict.outcome, results::Outcome::inconclusive);
  EXPECT_LT(clock_.now() - before, 60s);
}

class BadBootTest : public WarmStartTest {
 protected:
  static GuestScript script() {
    GuestScript out;
    out.happenings.emplace_back(1s, [](FakeGuest& guest) {
      guest.print("[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008");
    });
    return out;
  }
  BadBootTest() : WarmStartTest(script()) {}
};

TEST_F(BadBootTest, ABootWithAReportMakesNoTemplate) {
  plan_it();
  const auto lease = take_template(context(), plan_);
  ASSERT_FALSE(lease);
  EXPECT_TRUE(fs::is_empty(store_));
}

class LostBootTest : public WarmStartTest, public testing::WithParamInterface<int> {
 protected:
  LostBootTest() : WarmStartTest({.lost_boots = GetParam()}) { plan_.accel.accel = vm::Accel::tcg; }
};
INSTANTIATE_TEST_SUITE_P(Boots, LostBootTest, testing::Values(1, 2),
                         [](const auto& it) { return std::to_string(it.param); });

TEST_P(LostBootTest, OfATemplateIsBootedOnceMoreAndSoonerGivenUp) {
  plan_it();
  const auto before = clock_.now();
  const auto lease = take_template(context(), plan_);
  EXPECT_EQ(lease.has_value(), GetParam() == 1);
  EXPECT_EQ(guest_.boots(), 2);
  if (lease) {
    EXPECT_LT(clock_.now() - before, plan_.timeouts.boot / 2);
    EXPECT_TRUE(run(*lease));
  } else {
    EXPECT_EQ(lease.error().message, "a template's boot did not come to the agent's hello");
  }
}

TEST_P(LostBootTest, OfATrialIsSoonerGivenUpToo) {
  TrialContext once_more = context();
  once_more.boots_again = true;
  const auto record = run_trial(once_more, plan_, dir_->path() / "trial");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->verdict.kind, results::Kind::no_boot);
  EXPECT_LT(record->duration_s, static_cast<double>(plan_.timeouts.boot.count()) / 1000);
}

TEST_F(WarmStartTest, TheKeyIsOfAllThatMatters) {
  std::set<std::string> keys = {key()};
  plan_.spec.cpus = 2;
  keys.insert(key());
  plan_.spec.memory_mib = 512;
  keys.insert(key());
  plan_.command_line += " quiet";
  keys.insert(key());
  plan_.kernel.sha256 = "another";
  keys.insert(key());
  ASSERT_TRUE(write_file_atomically(plan_.initramfs, "another"));
  keys.insert(key());
  EXPECT_EQ(keys.size(), 6u);
  EXPECT_EQ(*keys.find(key()), key()) << "and of nothing else";
  const std::string line = plan_.command_line;
  plan_.command_line = line + " tsc_early_khz=2100001 lpj=8400004";
  const std::string measured = key();
  plan_.command_line = line + " tsc_early_khz=2100007 lpj=8400028";
  EXPECT_EQ(key(), measured) << "the host's counter is measured anew by each process";
}

TEST_F(WarmStartTest, WhatCannotBeWarmSaysWhy) {
  plan_.vmm.identity = nullptr;
  ASSERT_TRUE(plan_warm_start(plan_, {.folder = store_}));
  EXPECT_FALSE(plan_.warm);
  EXPECT_THAT(plan_.start_reason, HasSubstr("libvirt"));
  plan_.spec.start = spec::Start::warm;
  EXPECT_FALSE(plan_warm_start(plan_, {.folder = store_}));
}

TEST(WantsWarmStartTest, FromThreeTrialsOfOneMachineOn) {
  spec::TrialSpec spec;
  EXPECT_FALSE(wants_warm_start(spec, 1));
  EXPECT_TRUE(wants_warm_start(spec, 3));
  spec.repeat = 3;
  EXPECT_TRUE(wants_warm_start(spec, 1));
  spec.start = spec::Start::cold;
  EXPECT_FALSE(wants_warm_start(spec, 100));
  spec.repeat = 1;
  spec.start = spec::Start::warm;
  EXPECT_TRUE(wants_warm_start(spec, 1));
}

}  // namespace
}  // namespace ktrial::trial
