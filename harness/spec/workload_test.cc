#include "harness/spec/workload.h"

#include <gtest/gtest.h>
#include <test_paths.h>

#include "harness/spec/combination.h"

namespace ktrial::spec {
namespace {

const std::filesystem::path kDir = KTRIAL_SOURCE_DIR "/harness/spec/testdata/workloads";

WorkloadInfo vsock_listen() {
  auto info = find_workload(kDir, "vsock-listen");
  EXPECT_TRUE(info) << info.error().message;
  return info ? *info : WorkloadInfo{};
}

TEST(WorkloadTest, ReadsEveryKey) {
  WorkloadInfo info = vsock_listen();
  EXPECT_EQ(info.name, "vsock-listen");
  EXPECT_EQ(info.stresses, (std::vector<std::string>{"vsock", "fork"}));
  EXPECT_EQ(info.kconfig, (std::vector<std::string>{"CONFIG_VSOCKETS=m"}));
  EXPECT_EQ(info.modules, (std::vector<std::string>{"vsock"}));
  EXPECT_EQ(info.min_cpus, 2);
  EXPECT_TRUE(info.needs_vsock);
  EXPECT_EQ(info.progress, "connections");
  EXPECT_EQ(info.stall_after_s, 12.5);
  ASSERT_EQ(info.parameters.size(), 3u);
  EXPECT_EQ(info.parameters[0].max, 65535);
  EXPECT_EQ(info.parameters[2].default_value, "false");
  ASSERT_TRUE(info.host);
  EXPECT_EQ(info.host->port_parameter, "port");
  EXPECT_EQ(info.directory, kDir / "vsock-listen");
}

TEST(WorkloadTest, ListsByName) {
  auto all = list_workloads(kDir);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].name, "smoke");
}

TEST(WorkloadTest, UnknownNameSuggestsAndLists) {
  for (const char* name : {"vsock-lisen", "../smoke", "", "."}) {
    auto got = find_workload(kDir, name);
    ASSERT_FALSE(got) << name;
    EXPECT_EQ(got.error().kind, ErrorKind::usage);
    EXPECT_EQ(got.error().hint, "there are: smoke, vsock-listen");
  }
  EXPECT_EQ(find_workload(kDir, "vsock-lisen").error().message,
            "there is no workload 'vsock-lisen'; did you mean 'vsock-listen'?");
}

TEST(WorkloadTest, ParametersAreCheckedAllAtOnce) {
  auto got = resolve_parameters(
      vsock_listen(), {{"port", "70000"}, {"mod", "x"}, {"pin", "yes"}, {"mode", "clone"}});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message,
            "--set mod: workload 'vsock-listen' has no such parameter; did you mean 'mode'?\n"
            "--set mode: 'clone' is not one of fork, vfork\n"
            "--set pin: 'yes' is not true or false\n"
            "--set port: 70000 is outside 1..65535");
  for (const char* bad : {"", "1x", "0x10", "99999999999999999999", " 1"})
    EXPECT_FALSE(resolve_parameters(vsock_listen(), {{"port", bad}})) << bad;
}

TEST(WorkloadTest, AParameterOfASpecFileIsNamedByItsPlace) {
  const auto got = resolve_parameters(vsock_listen(), {{"mode", "clone"}, {"pin", "yes"}},
                                      {{"mode", "nightly.toml:7: set.mode"}});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().message,
            "nightly.toml:7: set.mode: 'clone' is not one of fork, vfork\n"
            "--set pin: 'yes' is not true or false");
}

TEST(WorkloadTest, SettingsLieOverTheDefaults) {
  auto got = resolve_parameters(vsock_listen(), {{"mode", "vfork"}});
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, (std::map<std::string, std::string>{
                      {"mode", "vfork"}, {"pin", "false"}, {"port", "1024"}}));
}

TEST(WorkloadTest, RequirementsAreCheckedBeforeAnyBoot) {
  TrialSpec spec;
  EXPECT_TRUE(check_requirements(vsock_listen(), spec));
  spec.cpus = 1;
  EXPECT_FALSE(check_requirements(vsock_listen(), spec));
  spec.cpus = 4;
  spec.channel = ChannelKind::virtio_serial;
  EXPECT_FALSE(check_requirements(vsock_listen(), spec));
}

TEST(WorkloadTest, BadFilesAreReportedInFull) {
  auto got = parse_workload(
      "name = 'x'\n"
      "sumary = 'y'\n"
      "stresses = 'fork'\n"
      "[[parameter]]\n"
      "name = 'n'\ntype = 'int'\ndefault = 5\nhelp = ''\n"
      "[[parameter]]\n"
      "name = 'm'\ntype = 'integer'\ndefault = 5\nmax = 4\nhelp = ''\n"
      "[host]\naction = 'reboot'\nport_parameter = 'q'\n",
      "w.toml");
  ASSERT_FALSE(got);
  for (const char* part :
       {"summary: is missing", "w.toml:2: sumary: unknown key; did you mean 'summary'?",
        "w.toml:3: stresses: must be a list of strings, not a string",
        "parameter.type: 'int' is not one of integer, string, boolean",
        "w.toml:12: parameter.m.default: 5 is outside ..4", "invariant: is missing",
        "host.action: 'reboot'", "host.port_parameter: must name an integer parameter"})
    EXPECT_NE(got.error().message.find(part), std::string::npos) << part << "\nin\n"
                                                                 << got.error().message;
}

TEST(WorkloadTest, TwoBesideEachOtherNeedWhatBothNeed) {
  const auto both = find_workload(kDir, "smoke+vsock-listen");
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->name, "smoke+vsock-listen");
  ASSERT_EQ(both->parts.size(), 2u);
  EXPECT_EQ(both->min_cpus, 2);
  EXPECT_TRUE(both->needs_vsock);
  EXPECT_EQ(both->stall_after_s, 12.5);
  EXPECT_TRUE(both->host);
  const std::map<std::string, std::string> settings = {{"port", "7"}};
  EXPECT_TRUE(resolve_parameters(*both, settings));
  EXPECT_FALSE(resolve_parameters(*both, {{"prt", "7"}}));
  EXPECT_TRUE(settings_of(both->parts[0], settings).empty());
  EXPECT_EQ(settings_of(both->parts[1], settings), settings);
}

TEST(WorkloadTest, ABadCombinationIsAnError) {
  for (const auto& [name, words] : {std::pair("smoke+smoke", "twice"),
                                    {"smoke+", "names two"},
                                    {"+smoke", "no workload ''"},
                                    {"smoke+smok", "did you mean 'smoke'"},
                                    {"smoke+../smoke", "no workload"}}) {
    const auto got = find_workload(kDir, name);
    ASSERT_FALSE(got) << name;
    EXPECT_NE(got.error().message.find(words), std::string::npos) << got.error().message;
  }
}

// The real ones, as far as they are there.
TEST(WorkloadTest, TheProjectsOwnWorkloadsAreWellFormed) {
  const std::filesystem::path dir = KTRIAL_SOURCE_DIR "/workloads";
  if (!std::filesystem::exists(dir)) GTEST_SKIP() << "no workloads folder in this tree";
  auto all = list_workloads(dir);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_FALSE(all->empty());
  for (const WorkloadInfo& info : *all) EXPECT_TRUE(resolve_parameters(info, {})) << info.name;
}

}  // namespace
}  // namespace ktrial::spec
