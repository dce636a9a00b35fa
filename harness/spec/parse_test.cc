#include "harness/spec/parse.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/spec/validate.h"

namespace ktrial::spec {
namespace {
using namespace std::chrono_literals;

TEST(ParseTest, Durations) {
  const struct {
    const char* text;
    Milliseconds want;
  } kGood[] = {{"90s", 90s},     {"2m", 2min},     {"1h30m", 90min},
               {"500ms", 500ms}, {"1.5s", 1500ms}, {"0", 0ms},
               {"0s", 0ms},      {"30d", 720h},    {"1m30s500ms", 90500ms}};
  for (const auto& row : kGood) {
    auto got = parse_duration(row.text);
    ASSERT_TRUE(got) << row.text << ": " << got.error().message;
    EXPECT_EQ(*got, row.want) << row.text;
    EXPECT_EQ(parse_duration(format_duration(*got)), row.want) << format_duration(*got);
  }
  for (const char* text : {"", "90", "s", "-1s", "1.s", ".5s", "1 s", "30m1h", "1s1s", "1e3s",
                           "31d", "99999999999999999999h", "1..2s", "1x", "inf", "nans"}) {
    auto got = parse_duration(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().kind, ErrorKind::usage);
  }
}

TEST(ParseTest, Sizes) {
  EXPECT_EQ(parse_size("512M"), 512);
  EXPECT_EQ(parse_size("512"), 512);
  EXPECT_EQ(parse_size("2G"), 2048);
  EXPECT_EQ(parse_size("1.5GiB"), 1536);
  EXPECT_EQ(parse_size("131072K"), 128);
  EXPECT_EQ(parse_size("1TB"), 1 << 20);
  for (const char* text : {"", "M", "63M", "5T", "-1G", "1X", "512m", "100.5M", "1e3", "512 M"})
    EXPECT_FALSE(parse_size(text)) << text;
}

TEST(ParseTest, Numbers) {
  EXPECT_EQ(parse_number("12"), 12u);
  EXPECT_EQ(parse_number("0x1f"), 0x1fu);
  EXPECT_EQ(parse_number("0xffffffffffffffff"), ~0ull);
  for (const char* bad : {"", "0x", "1f", "-1", " 1", "1 ", "18446744073709551616"})
    EXPECT_FALSE(parse_number(bad)) << bad;
}

TEST(ParseTest, Settings) {
  EXPECT_EQ(parse_setting("threads=8"), std::pair(std::string("threads"), std::string("8")));
  EXPECT_EQ(parse_setting("a-b_1=x=y"), std::pair(std::string("a-b_1"), std::string("x=y")));
  EXPECT_EQ(parse_setting("a="), std::pair(std::string("a"), std::string()));
  for (const char* text : {"", "a", "=x", "A=1", "a b=1"})
    EXPECT_FALSE(parse_setting(text)) << text;
}

TEST(ParseTest, NamesReadBackAndErrorsListThem) {
  for (auto c : {ChannelKind::automatic, ChannelKind::vhost_vsock, ChannelKind::vhost_user_vsock,
                 ChannelKind::virtio_serial})
    EXPECT_EQ(parse_channel(name(c)), c);
  for (auto a : {Accel::automatic, Accel::kvm, Accel::tcg}) EXPECT_EQ(parse_accel(name(a)), a);
  for (auto v : {Vmm::qemu, Vmm::libvirt}) EXPECT_EQ(parse_vmm(name(v)), v);
  for (const char* m : {"q35", "microvm"}) EXPECT_EQ(parse_machine(m), m);
  EXPECT_EQ(parse_accel("hvf").error().message, "'hvf' is not one of auto, kvm, tcg");
}

TEST(ParseTest, SuggestsTheNearestOnly) {
  EXPECT_EQ(suggest("kernal", {"workload", "kernel"}), "kernel");
  EXPECT_EQ(suggest("memroy", {"memory", "machine"}), "memory");
  EXPECT_EQ(suggest("zzz", {"cpus", "set"}), "");
  EXPECT_EQ(suggest(std::string(1000, 'a'), {"a"}), "");
}

TEST(ParseTest, MessagesHoldNoControlCharacters) {
  EXPECT_EQ(in_quotes("a\x1b[2J\n"), "'a?[2J?'");
  EXPECT_LT(in_quotes(std::string(5000, 'x')).size(), 80u);
}

TEST(ValidateTest, ReportsEveryProblem) {
  TrialSpec spec;
  EXPECT_TRUE(validate(spec));
  spec.cpus = 0;
  spec.memory_mib = 1;
  spec.kernel.clear();
  spec.duration = 60s;
  spec.timeout = 30s;
  auto status = validate(spec);
  ASSERT_FALSE(status);
  EXPECT_EQ(std::ranges::count(status.error().message, '\n'), 3);
}

TEST(ValidateTest, ACommandHasNoParameters) {
  TrialSpec spec;
  spec.parameters = {{"rounds", "3"}};
  EXPECT_TRUE(validate(spec));
  spec.command = {"true"};
  auto status = validate(spec);
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().message.starts_with("set: ")) << status.error().message;
}

}  // namespace
}  // namespace ktrial::spec
