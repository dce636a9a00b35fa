#include "harness/run/lost_boot.h"

#include <gtest/gtest.h>

#include "harness/vm/vm.h"

namespace ktrial::run {
namespace {
using results::Kind;
using results::Outcome;

results::TrialRecord ended(Kind kind, Outcome outcome = Outcome::inconclusive) {
  results::TrialRecord record;
  record.accel = vm::name(vm::Accel::tcg);
  record.verdict.kind = kind;
  record.verdict.outcome = outcome;
  return record;
}

TEST(LostBootTest, OnlyWhatNeverSpokeUnderTcgIsLost) {
  EXPECT_TRUE(lost_at_boot(ended(Kind::no_boot)));
  EXPECT_TRUE(lost_at_boot(ended(Kind::emulator)));
  EXPECT_FALSE(lost_at_boot(ended(Kind::host_starved))) << "a second boot starves, too";
  EXPECT_FALSE(lost_at_boot(ended(Kind::soft_lockup, Outcome::fail)));
  auto spoke = ended(Kind::emulator);
  spoke.boot_s = 3;
  EXPECT_FALSE(lost_at_boot(spoke));
  auto hardware = ended(Kind::no_boot);
  hardware.accel = vm::name(vm::Accel::kvm);
  EXPECT_FALSE(lost_at_boot(hardware));
}

}  // namespace
}  // namespace ktrial::run
