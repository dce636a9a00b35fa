// For tests that run `ktrial selftest` in real VMs.
#pragma once

#include <gtest/gtest.h>
#include <test_paths.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/kernel/build/module_build.h"
#include "harness/kernel/kernel.h"
#include "harness/trial/plan.h"

namespace ktrial::selftest {

inline constexpr char kProgram[] = KTRIAL_BINARY_DIR "/bin/ktrial";

// Empty if the kernel can be had and a module can be built for it; else why not.
inline std::string why_not(std::string_view kernel_reference) {
  const auto payload = trial::find_payload();
  const auto cache = kernel::default_cache_dir();
  if (!payload || !cache) return "no payload or no cache folder";
  const kernel::ResolveOptions options{.cache_dir = *cache};
  const auto reference = kernel::parse_reference(kernel_reference);
  if (!reference) return reference.error().message;
  const auto kernel = kernel::resolve(*reference, options);
  if (!kernel) return kernel.error().message;
  const auto module =
      kernel::build_module(*kernel, *payload / "workloads/inject/module", "ktrial_inject", options);
  return module ? "" : module.error().message;
}

// The record in a trial's folder is of a stall that RAM told all about: the stack of each of
// `cpus`, all in `function`, and the last event of each.
inline void check_autopsy(const std::filesystem::path& artifacts, const std::string& function,
                          unsigned cpus = 2) {
  const auto record =
      nlohmann::json::parse(read_file(artifacts / "verdict.json").value_or(""), nullptr, false);
  ASSERT_TRUE(record.is_object() && record.contains("incident")) << artifacts;
  EXPECT_EQ(record["culprit"], function);
  EXPECT_EQ(record["incident"].value("no_autopsy", "?"), "");
  const std::string page = record["incident"].value("autopsy", "");
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    const std::size_t head = page.find("\nvCPU " + std::to_string(cpu) + ": ");
    ASSERT_NE(head, std::string::npos) << page;
    const std::size_t stack = page.find('\n', head + 1) + 1;
    EXPECT_EQ(page.substr(stack, page.find('+', stack) - stack), "      " + function) << page;
  }
  ASSERT_TRUE(record.contains("trace")) << page;
  EXPECT_EQ(record["trace"]["cpus"].size(), cpus) << record["trace"].dump(2);
  EXPECT_TRUE(record["trace"]["missing"].empty()) << record["trace"]["missing"];
}

// The kernel knew every word that ktrial gave it.
inline void check_command_line(const std::filesystem::path& artifacts) {
  const std::string console = read_file(artifacts / "console.log").value_or("");
  ASSERT_NE(console.find("Kernel command line: "), std::string::npos) << artifacts;
  for (const char* complaint : {"Unknown kernel command line parameters", "Failed to set sysctl",
                                "Malformed early option"}) {
    const std::size_t at = console.find(complaint);
    EXPECT_EQ(at, std::string::npos) << console.substr(console.rfind('\n', at) + 1, 300);
  }
}

class RealVms : public testing::Test {
 protected:
  void SetUp() override {
    // The templates that all tests share (harness/e2e/CMakeLists.txt).
    ::setenv("KTRIAL_TEMPLATES", ("/dev/shm/ktrial-e2e-" + std::to_string(::geteuid())).c_str(), 1);
    if (const std::string why = why_not(kernel::default_reference()); !why.empty())
      GTEST_SKIP() << why;
  }
  CommandOutput selftest(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {kProgram, "selftest", "--results", dir_->path().string()});
    auto output = run_command(arguments, {.timeout = std::chrono::minutes(25)});
    EXPECT_TRUE(output) << output.error().message;
    return output ? *output : CommandOutput{};
  }
  Result<TempDir> dir_ = TempDir::create();
};

}  // namespace ktrial::selftest
