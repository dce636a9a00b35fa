#include "harness/spec/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::spec {
namespace {
using ::testing::HasSubstr;

TrialSpec deterministic() {
  TrialSpec spec;
  spec.deterministic = true;
  return spec;
}

// Each says what stands against it, and is the user's to mend.
TEST(DeterministicTest, RefusesWhatTheHostServesByItsOwnTime) {
  ASSERT_TRUE(validate(deterministic()));
  struct Case {
    void (*spoil)(TrialSpec&);
    const char* reason;
  };
  const Case cases[] = {
      {[](TrialSpec& s) { s.accel = Accel::kvm; }, "needs TCG"},
      {[](TrialSpec& s) { s.vmm = Vmm::libvirt; }, "vmm = qemu"},
      {[](TrialSpec& s) { s.start = Start::warm; }, "start = cold"},
      {[](TrialSpec& s) { s.channel = ChannelKind::vhost_user_vsock; }, "virtio-serial"},
      {[](TrialSpec& s) { s.channel = ChannelKind::vhost_vsock; }, "virtio-serial"},
      {[](TrialSpec& s) { s.machine = arch::native().machines.back().name; }, "measured"},
      {[](TrialSpec& s) { s.keep_machine = true; }, "ktrial replay"},
      {[](TrialSpec& s) { s.until_fail = true; }, "how many seeds"},
      {[](TrialSpec& s) { s.command = {"true"}, s.root = "host"; }, "virtiofs"},
      {[](TrialSpec& s) { s.trace = "sched"; }, "ktrial replay --trace"},
      {[](TrialSpec& s) { s.seed = 0; }, "seed is outside"},
      {[](TrialSpec& s) { s.seed = kMaxSeed, s.repeat = 2; }, "seed is outside"},
      {[](TrialSpec& s) { s.shift = 8; }, "shift is outside"},
  };
  for (const Case& one : cases) {
    TrialSpec spec = deterministic();
    one.spoil(spec);
    const auto valid = validate(spec);
    ASSERT_FALSE(valid) << one.reason;
    EXPECT_EQ(valid.error().kind, ErrorKind::usage);
    EXPECT_THAT(valid.error().message, HasSubstr(one.reason));
    EXPECT_THAT(valid.error().message, HasSubstr("deterministic: "));
  }
}

TEST(ValidateTest, OneThreadForAllVcpusIsTcgs) {
  TrialSpec spec;
  spec.one_thread = true;
  EXPECT_TRUE(validate(spec));
  spec.accel = Accel::kvm;
  const auto valid = validate(spec);
  ASSERT_FALSE(valid);
  EXPECT_THAT(valid.error().message, HasSubstr("one_thread: needs TCG"));
}

TEST(DeterministicTest, ASeedAloneMeansNothing) {
  TrialSpec spec;
  spec.seed = 3;
  EXPECT_FALSE(validate(spec));
}

}  // namespace
}  // namespace ktrial::spec
