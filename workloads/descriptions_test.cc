// That each workload.toml and its binary agree: the binary, asked for something
// it does not know, lists its parameters with defaults and ranges.
#include <gtest/gtest.h>
#include <test_paths.h>

#include <filesystem>
#include <string>

#include "harness/base/command.h"
#include "harness/spec/workload.h"

namespace ktrial {
namespace {

const std::filesystem::path kWorkloads = KTRIAL_BINARY_DIR "/share/ktrial/workloads";

std::string range_of(const spec::Parameter& p) {
  if (p.type == spec::ParameterType::boolean) return "true|false";
  if (p.type == spec::ParameterType::integer)
    return std::to_string(p.min.value()) + ".." + std::to_string(p.max.value());
  std::string all;
  for (const std::string& choice : p.choices) all += (all.empty() ? "" : "|") + choice;
  return all;
}

std::size_t described() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(KTRIAL_SOURCE_DIR "/workloads"))
    if (exists(entry.path() / "workload.toml")) ++count;
  return count;
}

TEST(DescriptionsTest, ParametersAreThoseOfTheBinary) {
  auto all = spec::list_workloads(kWorkloads);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->size(), described());
  for (const spec::WorkloadInfo& info : *all) {
    std::string expected = "--?=: unknown parameter; it takes --duration=SECONDS and\n";
    for (const spec::Parameter& p : info.parameters)
      expected += "  --" + p.name + "=" + p.default_value + "  (" + range_of(p) + ")\n";
    auto got = run_command({(kWorkloads / info.name / info.name).string(), "--?="});
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->out, expected) << info.name;
  }
}

}  // namespace
}  // namespace ktrial
