// Every wait of one trial, from one scale factor. No other place in the program
// holds a time limit of a trial, so a slow host, a slow accelerator or a
// sanitizer build needs one number, not a hunt for constants.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::spec {

// Speed of the accelerator as far as limits go, unscaled.
struct Profile {
  const char* name;
  Milliseconds boot;               // VM start to the agent's hello
  Milliseconds first_output;       // VM start to the kernel's first console byte
  Milliseconds heartbeat_silence;  // one CPU's beats missing
  Milliseconds stall_seen;         // a stall's beginning to its report, at least
  int watchdog_thresh_s;           // soft lockup is reported after 2x this
  int rcu_stall_s;
  int hung_task_s;
};
// TCG runs one to two orders of magnitude slower than the CPU; KVM nearly as fast.
const Profile& profile_tcg();
const Profile& profile_kvm();

// The guest kernel's own detectors, whole seconds (kernel parameters).
struct Detectors {
  int watchdog_thresh_s = 0;
  int rcu_stall_s = 0;  // > 2.4 x watchdog_thresh: the RCU report resets the soft-lockup clock
  int hung_task_s = 0;
  int hung_task_check_s = 0;
};

// When a vCPU is proven stuck before its silence is long enough (autopsy/early_look.h). Never
// scaled: what counts is the vCPU's own time and what was seen, and looking does no harm.
struct EarlyLook {
  Milliseconds late{3000};    // a beat, until the vCPUs are looked at
  Milliseconds spacing{750};  // of the looks
  Milliseconds span{5000};    // from the first look that is alike to the last, at least
  Milliseconds own{2000};     // that the vCPU ran meanwhile, at least
  int looks = 6;              // alike, at least
};

struct Timeouts {
  double scale = 1;
  Milliseconds boot{};
  Milliseconds first_output{};
  Milliseconds heartbeat_silence{};
  Milliseconds stall_seen{};     // a part of whole_trial(), no wait of its own
  Milliseconds late_report{};    // after trouble, wait so long for the kernel's own words
  Milliseconds report_settle{};  // after a report's first line, until it counts as whole
  Milliseconds clone_answer{};   // a resumed guest's first word, before it is given up
  EarlyLook early;
  Milliseconds aftermath{};         // after a complaint, which stops no work: what comes of it
  Milliseconds nmi_answer{};        // NMI to its backtraces; the kernel itself gives CPUs 10 s
  Milliseconds proof{};             // on a suspect host, to see a vCPU run in one place
  Milliseconds shutdown{};          // power-off request to VM exit
  Milliseconds monitor_reply{};     // one QMP command
  Milliseconds duration_default{};  // stress time when neither user nor workload says
  Detectors detectors;

  // The whole-trial limit when the user gave none: boot, stress, the detectors'
  // chance to speak, shutdown.
  Milliseconds whole_trial(Milliseconds duration) const;
};

// `scale` >= 1 multiplies every wait: max(1, vCPUs / host cores, boot slowdown).
// KTRIAL_TIMEOUT_SCALE (a positive number) and sanitizer builds multiply too.
Timeouts make_timeouts(double scale, const Profile& profile);
// Of a guest's own time, which no host makes longer: the same everywhere.
Timeouts guest_timeouts(const Profile& profile);
// $KTRIAL_TIMEOUT_SCALE, or 1; a usage error when it is not a number in 0.01..1000.
Result<double> environment_scale();
// The scale of a spec: vCPUs over host cores, at least 1.
double load_scale(int vcpus, int host_cores);

// What is not a guest's: this host's own programs and daemons, the network.
enum class HostWait {
  job_end,             // a job that is told to end: its machine's end, and its record
  kvm_first_line,      // a kernel under KVM, to its first line
  program_version,     // PROGRAM --version
  library_list,        // of a program to be packed, by its loader
  vsock_daemon_start,  // vhost-device-vsock, until it listens
  vsock_daemon_idle,   // the same, to end what it does, while the machine pauses
  template_wait,       // another job's making of a template
  template_save,       // a stopped machine's state, to a file
  vsock_peer_line,     // one line of a workload in the guest
  libvirt_start,       // a call that may have libvirtd examine QEMU first
  libvirt_call,        // any other
  send_file,           // one file, over a slow line
  host_answer,         // of a pool: whether it is there
  host_load,           // what another host gave a machine; asked again and again in a trial
  download,            // of one package, or apt's lists
  git,                 // one command
  module_build,        // one kernel module
  make_end,            // make, from its SIGTERM on
  plan_program,        // of a campaign's plan
  root_image,          // a root file system, to be downloaded or packed
  scheduler_call,      // one command of a cluster's scheduler
  scheduler_away,      // a scheduler that does not answer, until what it has counts as lost
  shared_file,         // what one host wrote, until every other host sees it
  task_lease,          // no sign of who waits for tasks, until none of them begins any more
};
// By KTRIAL_TIMEOUT_SCALE and the build (sanitizers) alone.
Milliseconds host_wait(HostWait which);

// "watchdog_thresh=5", "rcupdate.rcu_cpu_stall_timeout=20", ...: kernel command line.
std::vector<std::string> detector_arguments(const Detectors& detectors);

}  // namespace ktrial::spec
