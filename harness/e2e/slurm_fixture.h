// Tests that have a Slurm of their own.
#pragma once

#include <optional>

#include "harness/e2e/e2e.h"
#include "harness/e2e/slurm.h"

namespace ktrial::e2e {

class SlurmFixture : public E2eTest {
 protected:
  // Empty, or why this host has none.
  std::string begin_slurm(const SlurmWish& wish = {}) {
    auto started = PrivateSlurm::start(wish);
    if (!started) return started.error().message;
    slurm_.emplace(std::move(*started));
    environment_["SLURM_CONF"] = slurm_->conf();
    return "";
  }
  void TearDown() override {
    slurm_.reset();
    E2eTest::TearDown();
  }
  PrivateSlurm& slurm() { return *slurm_; }
  const PrivateSlurm& slurm() const { return *slurm_; }
  std::string results() const { return root() / "shared"; }

  std::string plan(int trials, const std::string& command = "['true']") {
    const auto file = root() / "small.toml";
    EXPECT_TRUE(write_file_atomically(
        file, "name = 'small'\nbudget = '30m'\ncommand = " + command +
                  "\nmemory = '256M'\nstart = 'cold'\n[matrix]\nkernel = ['" +
                  std::string(kKernel) +
                  "']\ncpus = [1, 2]\n[goal]\ntrials = " + std::to_string(trials) + "\n"));
    return file.string();
  }
  static std::vector<std::string> with(std::vector<std::string> words,
                                       const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  // Trials that go on until they are ended, in guests that are up.
  Running start_endless(int jobs, const std::string& command) {
    Running running = start({command, "--engine", "slurm", "--results", results(), "--repeat",
                             std::to_string(jobs), "--cpus", "1", "--memory", "256M", "--start",
                             "cold", "--timeout", "30m", "--", "sleep", "1000"});
    EXPECT_TRUE(eventually([&] { return count(running.err(), "running sleep") == jobs; },
                           std::chrono::seconds(240)))
        << running.err();
    return running;
  }
  std::vector<pid_t> tasks_of_ktrial() const {
    auto out = processes(std::string("job\0--task", 10));
    std::erase_if(out, [](pid_t pid) {
      return read_file("/proc/" + std::to_string(pid) + "/comm")
          .value_or("")
          .starts_with("ktrial-janitor");
    });
    return out;
  }
  // Trials that were judged, by the files.
  int records() const {
    int out = 0;
    std::error_code error;
    for (const auto& run :
         std::filesystem::directory_iterator(std::filesystem::path(results()) / "runs", error))
      for (const auto& trial : std::filesystem::directory_iterator(run.path() / "trials", error)) {
        const auto verdict = nlohmann::json::parse(
            read_file(trial.path() / "verdict.json").value_or(""), nullptr, false);
        out += verdict.is_object() && verdict["kind"] != "interrupted" ? 1 : 0;
      }
    return out;
  }

 private:
  std::optional<PrivateSlurm> slurm_;
};

#define REQUIRE_SLURM(...)                                            \
  if (const std::string why = begin_slurm(__VA_ARGS__); !why.empty()) \
  GTEST_SKIP() << "no Slurm to test with: " << why

}  // namespace ktrial::e2e
