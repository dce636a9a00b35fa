#include "harness/spec/perturb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/spec/validate.h"

namespace ktrial::spec {
namespace {
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(PerturbTest, ADelayHasAPlaceALengthAndAProbability) {
  const auto plain = parse_delay_at("mm_get_cid");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->place(), "mm_get_cid");
  EXPECT_EQ(plain->most_us, 500);
  EXPECT_EQ(plain->probability, .01);
  const auto whole = parse_delay_at("mm_get_cid.isra.0+0x55:200:0.5");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->place(), "mm_get_cid.isra.0+0x55");
  EXPECT_EQ(whole->most_us, 200);
  EXPECT_EQ(whole->probability, .5);
  EXPECT_EQ(parse_delay_at("f+16")->offset, 16u);
  EXPECT_EQ(parse_delay_at("f:1:1")->probability, 1);
}

TEST(PerturbTest, AHoldHasALengthAndAGap) {
  EXPECT_EQ(parse_perturb("hold")->most_us, 500);
  EXPECT_EQ(parse_perturb("hold")->gap_us, 1000);
  EXPECT_EQ(parse_perturb("hold:10000:5000")->most_us, 10000);
  EXPECT_EQ(parse_perturb("hold:10000:5000")->gap_us, 5000);
}

TEST(PerturbTest, WhatIsWrongIsNamed) {
  const auto delay = [](const char* text) { return parse_delay_at(text).error().message; };
  EXPECT_THAT(delay(""), HasSubstr("no symbol"));
  EXPECT_THAT(delay("+4"), HasSubstr("no symbol"));
  EXPECT_THAT(delay("f+x"), HasSubstr("the offset"));
  EXPECT_THAT(delay("f:0"), HasSubstr("1 to 1000000"));
  EXPECT_THAT(delay("f:1000001"), HasSubstr("1 to 1000000"));
  EXPECT_THAT(delay("f:5:0"), HasSubstr("above 0"));
  EXPECT_THAT(delay("f:5:1.5"), HasSubstr("above 0"));
  EXPECT_THAT(delay("f:5:nan"), HasSubstr("above 0"));
  EXPECT_THAT(delay("f:5:1:1"), HasSubstr("more than"));
  EXPECT_THAT(parse_perturb("freeze").error().message, HasSubstr("hold"));
  EXPECT_THAT(parse_perturb("hold:x").error().message, HasSubstr("the longest hold"));
  EXPECT_THAT(parse_perturb("hold:5:0").error().message, HasSubstr("the gap"));
  EXPECT_THAT(parse_perturb("hold:5:5:5").error().message, HasSubstr("more than"));
}

// Each with its reason, and under its key.
TEST(PerturbTest, WhereNothingCouldBeDisturbedItIsRefused) {
  TrialSpec good;
  good.delay_at = {"mm_get_cid"};
  good.perturb = "hold";
  ASSERT_TRUE(validate(good)) << validate(good).error().message;
  struct Case {
    void (*spoil)(TrialSpec&);
    const char* reason;
  };
  const Case cases[] = {
      {[](TrialSpec& s) { s.deterministic = true; }, "one thread"},
      {[](TrialSpec& s) { s.vmm = Vmm::libvirt; }, "vmm = qemu"},
      {[](TrialSpec& s) { s.cpus = 1; }, "two vCPUs"},
      {[](TrialSpec& s) { s.accel = Accel::kvm, s.perturb = ""; }, "needs TCG"},
      {[](TrialSpec& s) { s.delay_at.assign(17, "f"); }, "more than 16"},
      {[](TrialSpec& s) { s.delay_at = {"f:0"}; }, "delay_at: 'f:0'"},
      {[](TrialSpec& s) { s.perturb = "freeze"; }, "perturb: 'freeze'"},
  };
  for (const Case& one : cases) {
    TrialSpec spec = good;
    one.spoil(spec);
    const auto valid = validate(spec);
    ASSERT_FALSE(valid) << one.reason;
    EXPECT_EQ(valid.error().kind, ErrorKind::usage);
    EXPECT_THAT(valid.error().message, HasSubstr(one.reason));
  }
  TrialSpec kvm;
  kvm.perturb = "hold";
  kvm.accel = Accel::kvm;
  EXPECT_TRUE(validate(kvm)) << "a thread of KVM's is held like any other";
  kvm.delay_at = {"f"};
  EXPECT_THAT(validate(kvm).error().message, StartsWith("delay_at: "));
}

}  // namespace
}  // namespace ktrial::spec
