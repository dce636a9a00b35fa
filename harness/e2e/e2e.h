// Runs the built ktrial as a user would, with folders of its own. KTRIAL_E2E_VMM=libvirt: the same
// tests, in domains of a libvirtd that each test starts for itself.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/file.h"
#include "harness/e2e/libvirtd.h"

namespace ktrial::e2e {

// The everyday kernel, and the neighbours of the mm_cid regression.
inline constexpr char kKernel[] = "deb:linux-image-cloud-amd64";
inline constexpr char k612Kernel[] = "deb:linux-image-6.12.117+deb12-cloud-amd64";
inline constexpr char k618Kernel[] = "deb:linux-image-6.18.15+deb13-cloud-amd64";
inline constexpr char kBadKernel[] = "deb:linux-binary-6.19.6+deb13-cloud-amd64";
inline constexpr char kFixedKernel[] = "deb:linux-binary-6.19.14+deb13-cloud-amd64";

// For --append: the kernel finds a soft lockup after 4 s, before anything else has found a stall.
inline constexpr char kSoonSoftLockup[] = "watchdog_thresh=2 rcupdate.rcu_cpu_stall_timeout=60";

// A patience of these tests, by KTRIAL_TIMEOUT_SCALE as ktrial's own are.
std::chrono::milliseconds scaled(std::chrono::seconds patience);
// Of a drill: $KTRIAL_DRILL_ROUNDS, or 10.
int rounds();

struct Outcome {
  int exit = -1;  // 128 + signal if it was killed
  std::string out, err;
  nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

// A ktrial that runs beside the test.
class Running {
 public:
  explicit Running(pid_t pid, std::filesystem::path folder)
      : pid_(pid), folder_(std::move(folder)) {}
  ~Running();
  Running(Running&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), folder_(std::move(other.folder_)) {}
  pid_t pid() const { return pid_; }
  void signal(int number);
  std::string err() const;
  // Its exit within `patience`, scaled (killed after), with what it wrote.
  Outcome wait(std::chrono::seconds patience = std::chrono::seconds(300));

 private:
  pid_t pid_;
  std::filesystem::path folder_;
};

class E2eTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // From here on in domains of a libvirtd of the test's own, which sees what is mounted now; skips
  // the test where there is none.
  void use_libvirt(PrivateLibvirtd::Kvm kvm = PrivateLibvirtd::Kvm::hidden);
  bool on_libvirt() const { return daemon_.has_value(); }
  PrivateLibvirtd& daemon() { return *daemon_; }

  // Commands that run trials are told which backend, unless `arguments` say it. libvirt's machines
  // always boot: there `--start warm` is left out.
  Outcome run(const std::vector<std::string>& arguments);
  Running start(const std::vector<std::string>& arguments);
  // Empty if the kernel is cached or could be fetched; else why not.
  static std::string why_no_kernel(const std::string& reference);

  // Waits until `done`, at most `patience`, scaled; false if it never was.
  static bool eventually(const std::function<bool()>& done,
                         std::chrono::seconds patience = std::chrono::seconds(60));
  // Processes of this test's ktrial that are alive, found by an environment variable that
  // they inherit, and the QEMUs of its libvirtd. Of a name, or all.
  std::vector<pid_t> processes(const std::string& name = "") const;
  // Those of them that are jobs of their own, without their janitors.
  std::vector<pid_t> jobs() const;
  // How often `part` stands in `text`.
  static int count(const std::string& text, const std::string& part);
  // Files in the folder that temporary files of this test go to.
  std::vector<std::string> temporary_files() const;
  // Of a document: its first trial; an empty object, and a failure, if there is none.
  static nlohmann::json trial(const Outcome& result);
  // The value of a fact of a run or of a trial, or "".
  static std::string fact(const nlohmann::json& record, const std::string& name);
  // The folder of the only run.
  std::filesystem::path run_folder() const;

  std::filesystem::path root() const { return dir_->path(); }
  // What `start` runs, and variables that it sets over our own.
  std::filesystem::path program_ = KTRIAL_PROGRAM;
  std::map<std::string, std::string> environment_;
  // Machines that trials start from, in memory. All tests share them, and ctest removes them at the
  // end (CMakeLists.txt), unless a test looks at them: then they are this process's own.
  void keep_own_templates() { environment_["KTRIAL_TEMPLATES"] = templates_; }
  const std::filesystem::path templates_ = "/dev/shm/ktrial-e2e-of-" + std::to_string(::getpid());

 private:
  void check_domains_are_gone();
  void show_commands() const;
  std::vector<std::string> for_backend(std::vector<std::string> arguments) const;

  std::optional<TempDir> dir_;
  std::optional<PrivateLibvirtd> daemon_;  // nothing: QEMU is started by ktrial itself
  int commands_ = 0;
};

// What libvirt's backend refuses, by design.
#define REQUIRE_DIRECT_QEMU(why) \
  if (on_libvirt()) GTEST_SKIP() << "not on libvirt: " << (why)

#define REQUIRE_KERNEL(reference)                                     \
  if (const std::string why = why_no_kernel(reference); !why.empty()) \
  GTEST_SKIP() << "no kernel " << (reference) << ": " << why

}  // namespace ktrial::e2e
