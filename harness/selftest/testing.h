// For tests that run `ktrial selftest` in real VMs.
#pragma once

#include <gtest/gtest.h>
#include <test_paths.h>

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

class RealVms : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_not(kernel::kDefaultReference); !why.empty())
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
