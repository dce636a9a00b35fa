#include "harness/spec/timeouts.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "harness/base/text.h"

namespace ktrial::spec {
namespace {
using namespace std::chrono_literals;

constexpr double kMinScale = 0.01, kMaxScale = 1000;
// Shadow memory and race checks slow the host side of every exchange.
#ifdef KTRIAL_SANITIZED
constexpr double kBuildScale = 3;
#else
constexpr double kBuildScale = 1;
#endif

std::optional<double> number(std::string_view text) {
  const auto value = to_number<double>(text);
  return value && *value >= kMinScale && *value <= kMaxScale ? value : std::nullopt;
}

// Detector values of a boot line are whole seconds within the kernel's limits.
int detector(int seconds, double scale, int low, int high) {
  return std::clamp(static_cast<int>(std::ceil(seconds * scale)), low, high);
}

}  // namespace

const Profile& profile_tcg() {
  static constexpr Profile kTcg{"tcg", 60s, 15s, 17s, 25s, 5, 20, 40};
  return kTcg;
}
const Profile& profile_kvm() {
  static constexpr Profile kKvm{"kvm", 30s, 5s, 8s, 15s, 3, 10, 30};
  return kKvm;
}

Result<double> environment_scale() {
  const char* text = std::getenv("KTRIAL_TIMEOUT_SCALE");
  if (!text || !*text) return 1.0;
  if (auto value = number(text)) return *value;
  return usage_error(
      "KTRIAL_TIMEOUT_SCALE: '" + std::string(text) + "' is not a number in 0.01..1000",
      "unset it, or set it to e.g. 2 to wait twice as long for everything");
}

double load_scale(int vcpus, int host_cores) {
  return std::max(1.0, static_cast<double>(vcpus) / std::max(1, host_cores));
}

Milliseconds host_wait(HostWait which) {
  const Milliseconds unscaled = [which]() -> Milliseconds {
    switch (which) {
      case HostWait::job_end:
        return 30s;
      case HostWait::kvm_first_line:
      case HostWait::vsock_peer_line:
        return 5s;
      case HostWait::template_wait:
        return 5min;
      case HostWait::template_save:
        return 30s;
      case HostWait::program_version:
        return 20s;
      case HostWait::library_list:
        return 30s;
      case HostWait::vsock_daemon_start:
      case HostWait::make_end:
        return 10s;
      case HostWait::libvirt_start:
        return 120s;
      case HostWait::libvirt_call:
        return 60s;
      case HostWait::host_answer:
        return 20s;
      case HostWait::host_load:
      case HostWait::vsock_daemon_idle:
        return 2s;
      case HostWait::send_file:
        return 10min;
      case HostWait::download:
      case HostWait::git:
        return 30min;
      case HostWait::plan_program:
        return 1min;
      case HostWait::root_image:
        return 20min;
      case HostWait::module_build:
        return 5min;
      case HostWait::scheduler_call:
        return 60s;
      case HostWait::scheduler_away:
        return 60min;
      case HostWait::shared_file:  // NFS keeps a folder's attributes for a minute at most (nfs(5))
        return 65s;
      case HostWait::task_lease:
        return 15min;
    }
    std::abort();
  }();
  const double scale = environment_scale().value_or(1) * kBuildScale;
  return Milliseconds(std::llround(static_cast<double>(unscaled.count()) * scale));
}

static Timeouts timeouts_of(double scale, const Profile& profile) {
  Timeouts t;
  t.scale = scale;
  auto scaled = [&](Milliseconds wait) {
    return Milliseconds(std::llround(static_cast<double>(wait.count()) * t.scale));
  };
  t.boot = scaled(profile.boot);
  t.first_output = scaled(profile.first_output);
  t.heartbeat_silence = scaled(profile.heartbeat_silence);
  t.stall_seen = scaled(profile.stall_seen);
  t.late_report = scaled(3s);
  t.report_settle = scaled(2s);
  t.aftermath = scaled(10s);
  t.clone_answer = scaled(5s);
  t.nmi_answer = std::max<Milliseconds>(15s, scaled(8s));
  t.proof = scaled(45s);
  t.shutdown = scaled(10s);
  t.monitor_reply = scaled(5s);
  t.duration_default = 10s;  // How much to stress, not a wait: never scaled.

  Detectors& d = t.detectors;
  d.watchdog_thresh_s = detector(profile.watchdog_thresh_s, t.scale, 1, 60);
  // Past 2.4 thresholds, else the RCU report comes first and resets the soft-lockup
  // clock; 3..300 is what the kernel takes.
  d.rcu_stall_s = std::max(detector(profile.rcu_stall_s, t.scale, 3, 300),
                           static_cast<int>(std::ceil(2.4 * d.watchdog_thresh_s)) + 1);
  d.hung_task_s = detector(profile.hung_task_s, t.scale, 2, 3600);
  d.hung_task_check_s = std::max(1, d.hung_task_s / 6);
  return t;
}

Timeouts make_timeouts(double scale, const Profile& profile) {
  // A malformed variable is reported by environment_scale() at the start.
  return timeouts_of(
      std::clamp(scale * environment_scale().value_or(1) * kBuildScale, kMinScale, kMaxScale),
      profile);
}
Timeouts guest_timeouts(const Profile& profile) { return timeouts_of(1, profile); }

Milliseconds Timeouts::whole_trial(Milliseconds duration) const {
  // After the stress time a stall may still be on its way to being seen.
  const Milliseconds detectors_speak = std::max<Milliseconds>(
      stall_seen, std::chrono::seconds(std::max(detectors.rcu_stall_s, detectors.hung_task_s)));
  return boot + duration + detectors_speak + aftermath + late_report + report_settle + shutdown;
}

std::vector<std::string> detector_arguments(const Detectors& d) {
  auto arg = [](const char* key, int value) { return key + ("=" + std::to_string(value)); };
  return {arg("watchdog_thresh", d.watchdog_thresh_s),
          arg("rcupdate.rcu_cpu_stall_timeout", d.rcu_stall_s),
          arg("sysctl.kernel.hung_task_timeout_secs", d.hung_task_s),
          arg("sysctl.kernel.hung_task_check_interval_secs", d.hung_task_check_s),
          arg("sysctl.kernel.hung_task_warnings", 3)};
}

}  // namespace ktrial::spec
