#include "harness/spec/load.h"

#include <gtest/gtest.h>
#include <test_paths.h>

#include "harness/base/file.h"

namespace ktrial::spec {
namespace {

std::string problems(std::string_view toml) {
  auto specs = parse_spec(toml, "t.toml");
  if (specs) return "";
  EXPECT_EQ(specs.error().kind, ErrorKind::usage);
  return specs.error().message;
}

TEST(LoadTest, EmptyFileIsTheDefaults) {
  auto specs = parse_spec("", "t.toml");
  ASSERT_TRUE(specs);
  ASSERT_EQ(specs->size(), 1u);
  EXPECT_EQ(specs->front(), TrialSpec{});
}

TEST(LoadTest, ReadsEveryKey) {
  auto specs = load(KTRIAL_SOURCE_DIR "/harness/spec/testdata/full.toml");
  ASSERT_TRUE(specs) << specs.error().message;
  ASSERT_EQ(specs->size(), 1u);
  TrialSpec want;
  want.kernel = "deb:linux-image-6.18.15+deb13-cloud-amd64";
  want.workload = "fork-storm";
  want.parameters = {{"threads", "8"}, {"mode", "exec"}, {"pin", "true"}};
  want.cpus = 8;
  want.memory_mib = 2048;
  want.repeat = 10;
  want.until_fail = true;
  want.duration = std::chrono::seconds(90);
  want.timeout = std::chrono::minutes(5);
  want.trace = "sched:sched_switch";
  want.accel = Accel::tcg;
  want.vmm = Vmm::libvirt;
  want.connect = "qemu:///session";
  want.channel = ChannelKind::virtio_serial;
  want.machine = "microvm";
  want.append = "panic_on_warn=1";
  const std::string file = KTRIAL_SOURCE_DIR "/harness/spec/testdata/full.toml";
  EXPECT_EQ(specs->front().parameter_places["threads"], file + ":18: set.threads");
  want.parameter_places = specs->front().parameter_places;
  EXPECT_EQ(want.parameter_places.size(), 3u);
  EXPECT_EQ(specs->front(), want);
}

TEST(LoadTest, CommandReplacesTheWorkload) {
  auto specs = parse_spec("command = ['/bin/true', '-x']", "t.toml");
  ASSERT_TRUE(specs) << specs.error().message;
  EXPECT_EQ(specs->front().command, (std::vector<std::string>{"/bin/true", "-x"}));
  EXPECT_EQ(specs->front().workload, "");
}

// An empty list would mean the default workload: hardly what was meant.
TEST(LoadTest, AnEmptyCommandIsRefused) {
  EXPECT_EQ(problems("cpus = 2\ncommand = []\n"),
            "t.toml:2: command: the list is empty; it begins with a program");
}

TEST(LoadTest, NotesThatShallFailAreAListOfKnownOnes) {
  auto specs = parse_spec("fail_on = ['out_of_memory', 'page_allocation']\n", "t.toml");
  ASSERT_TRUE(specs) << specs.error().message;
  EXPECT_EQ(specs->front().fail_on, (std::vector<std::string>{"out_of_memory", "page_allocation"}));
  EXPECT_EQ(problems("cpus = 2\nfail_on = ['warning']\n"),
            "t.toml:2: fail_on: 'warning' is not one of page_allocation, out_of_memory, "
            "netdev_watchdog");
  EXPECT_NE(problems("fail_on = 'out_of_memory'\n"), "");
}

TEST(LoadTest, ReportsWhatIsWrongBetweenKeysBesideOtherProblems) {
  EXPECT_EQ(problems("memory = '1Q'\nduration = '1h'\ntimeout = '1m'\ntrace_stop = 'a b'\n"),
            "t.toml:1: memory: '1Q' is not a size; write it like 512M or 2G\n"
            "t.toml:3: timeout: is not longer than duration; it limits the whole trial, boot "
            "included\n"
            "t.toml:4: trace_stop: 'a b' is no function's name, nor 'warning' or 'stall'");
}

TEST(LoadTest, ReportsAllProblemsWithLineAndKey) {
  EXPECT_EQ(problems("kernal = 'x'\n"
                     "cpus = 'four'\n"
                     "memory = '12Q'\n"
                     "duration = 90\n"
                     "accel = 'hvf'\n"
                     "repeat = 0\n"
                     "[set]\n"
                     "threads = [1]\n"
                     "[matrix]\n"
                     "cpus = [2, 'x']\n"
                     "kernels = ['a']\n"),
            "t.toml:1: kernal: unknown key; did you mean 'kernel'?\n"
            "t.toml:2: cpus: must be an integer, not a string\n"
            "t.toml:3: memory: '12Q' is not a size; write it like 512M or 2G\n"
            "t.toml:4: duration: must be a string, not an integer\n"
            "t.toml:5: accel: 'hvf' is not one of auto, kvm, tcg\n"
            "t.toml:6: repeat: 0 is outside 1..1000000\n"
            "t.toml:8: set.threads: must be a string, an integer, true or false\n"
            "t.toml:10: matrix.cpus: must be an integer in 1..255\n"
            "t.toml:11: matrix.kernels: unknown key; did you mean 'kernel'?");
}

TEST(LoadTest, ReportsWhatOnlyShowsBetweenKeys) {
  EXPECT_EQ(problems("duration = '2m'\ntimeout = '1m'\n"),
            "t.toml:2: timeout: is not longer than duration; it limits the whole trial, boot "
            "included");
  EXPECT_NE(problems("workload = 'smoke'\ncommand = ['x']").find("t.toml:2: command:"),
            std::string::npos);
  EXPECT_NE(problems("connect = 'qemu:///system'").find("needs vmm = libvirt"), std::string::npos);
}

TEST(LoadTest, SyntaxErrorNamesTheLine) {
  EXPECT_TRUE(problems("cpus = 4\nkernel = \n").starts_with("t.toml:2: "))
      << problems("cpus = 4\nkernel = \n");
}

TEST(LoadTest, MissingFileIsTheUsersToMend) {
  auto specs = load("/nonexistent/spec.toml");
  ASSERT_FALSE(specs);
  EXPECT_EQ(specs.error().kind, ErrorKind::usage);
  EXPECT_NE(specs.error().message.find("/nonexistent/spec.toml"), std::string::npos);
}

TEST(MatrixTest, ExpandsInAFixedOrderLastKeyFastest) {
  auto specs = parse_spec(
      "memory = '512M'\n"
      "[set]\nmode = 'x'\n"
      "[matrix]\n"
      "cpus = [4, 2]\nkernel = ['b', 'a']\n"
      "[matrix.set]\nthreads = [1, 8]\n",
      "t.toml");
  ASSERT_TRUE(specs) << specs.error().message;
  std::string order;
  for (const TrialSpec& s : *specs) {
    order += s.kernel + std::to_string(s.cpus) + s.parameters.at("threads") + " ";
    EXPECT_EQ(s.parameters.at("mode"), "x");
    EXPECT_EQ(s.memory_mib, 512);
  }
  EXPECT_EQ(order, "b41 b48 b21 b28 a41 a48 a21 a28 ");
}

TEST(MatrixTest, RefusesEmptyAndHugeOnes) {
  EXPECT_NE(problems("[matrix]\nkernel = []").find("t.toml:2: matrix.kernel: the list is empty"),
            std::string::npos);
  std::string axis = "[";
  for (int i = 0; i < 100; ++i) axis += std::to_string(i) + ",";
  axis += "]\n";
  EXPECT_NE(problems("[matrix.set]\na=" + axis + "b=" + axis).find("more than 4096"),
            std::string::npos);
}

}  // namespace
}  // namespace ktrial::spec
