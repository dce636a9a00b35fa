// That the storms' checks bite: each broken promise ends with kBroken.
#include "workloads/common/child.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workloads/common/arguments.h"

namespace ktrial::workload {
namespace {

using testing::ExitedWithCode;

// Starts a child that exits with 5.
pid_t start_five(Slot& slot, Variant variant) {
  slot.variant = variant;
  slot.behaviour = Behaviour::exit;
  slot.status = 5;
  return start_child(slot);
}

TEST(ReapAndCheckTest, WhatWasPlannedPasses) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer makes vfork a fork, and the check notices";
#endif
  for (Variant variant : {Variant::fork, Variant::clone3, Variant::vfork, Variant::clone_vfork,
                          Variant::clone3_vfork}) {
    Slot slot;
    const pid_t child = start_five(slot, variant);
    ASSERT_GT(child, 0) << name_of(variant);
    reap_and_check(slot, child);
    EXPECT_EQ(waitpid(child, nullptr, WNOHANG), -1) << "it is reaped";
  }
}

TEST(ReapAndCheckTest, AnotherStatusIsBroken) {
  Slot slot;
  EXPECT_EXIT(
      {
        const pid_t child = start_five(slot, Variant::fork);
        slot.status = 6;
        reap_and_check(slot, child);
      },
      ExitedWithCode(kBroken), "");
}

TEST(ReapAndCheckTest, AnExitInPlaceOfTheSignalIsBroken) {
  Slot slot;
  EXPECT_EXIT(
      {
        const pid_t child = start_five(slot, Variant::vfork);
        slot.behaviour = Behaviour::killed;
        reap_and_check(slot, child);
      },
      ExitedWithCode(kBroken), "");
}

TEST(ReapAndCheckTest, AParentThatRunsOnTooEarlyIsBroken) {
  Slot slot;
  EXPECT_EXIT(
      {
        const pid_t child = start_five(slot, Variant::vfork);
        slot.released.store(false);
        reap_and_check(slot, child);
      },
      ExitedWithCode(kBroken), "");
}

TEST(ReapAndCheckTest, AChildsPrivateWriteThatIsSeenIsBroken) {
  Slot slot;
  EXPECT_EXIT(
      {
        const pid_t child = start_five(slot, Variant::clone3);
        slot.private_word.store(1);
        reap_and_check(slot, child);
      },
      ExitedWithCode(kBroken), "");
}

TEST(ReapAndCheckTest, AChildThatIsNotThereIsBroken) {
  Slot slot;
  EXPECT_EXIT(
      {
        const pid_t child = start_five(slot, Variant::fork);
        waitpid(child, nullptr, 0);
        reap_and_check(slot, child);
      },
      ExitedWithCode(kBroken), "");
}

}  // namespace
}  // namespace ktrial::workload
