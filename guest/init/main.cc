// PID 1 of the guest, and the host's agent in it. See docs/wire-protocol.md.
#include <signal.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest/init/agent.h"
#include "guest/init/beats.h"
#include "guest/init/channel.h"
#include "guest/init/modules.h"
#include "guest/init/mounts.h"
#include "guest/init/park.h"
#include "guest/init/system.h"

using namespace ktrial;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

[[noreturn]] void power_off(const std::string& why) {
  if (!why.empty()) init::say(why + "; powering off");
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();  // PID 1 must not return, even where there is no power to cut
}

void block_child_signals() {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void prepare_to_serve(init::Beats& beats) {
  mlockall(MCL_CURRENT | MCL_FUTURE);  // a beat shall not wait for a page
  setpriority(PRIO_PROCESS, 0, -10);   // be heard among thousands of workload threads
  beats.cover_online_cpus();
}

// Of a template: the channel of the copy that goes on here.
init::Channel wait_to_be_resumed(init::Channel channel, const std::string& command_line,
                                 std::vector<std::string>& problems) {
  std::string problem;
  const auto resume = init::park(channel.control, command_line, problem);
  if (!resume) power_off(problem);
  for (std::string& one : init::become_oneself(*resume)) problems.push_back(std::move(one));
  const auto options = init::channel_of(*resume);
  if (options.vsock) channel = init::open_channel(options, init::monotonic_ns() + 60 * kSecond);
  return channel;
}

}  // namespace

int main() {
  if (getpid() != 1) return 0;  // a rehearsal
  block_child_signals();
  init::mount_essential();
  const std::string command_line = init::read_small_file("/proc/cmdline").value_or("");
  auto problems = init::load_modules("/modules/order");
  for (const std::string& problem : problems) init::say(problem);
  auto channel =
      init::open_channel(init::channel_options(command_line), init::monotonic_ns() + 60 * kSecond);
  if (!channel.problem.empty()) power_off("no channel to the host: " + channel.problem);
  init::Beats beats(kSecond);
  const bool parked = init::wants_to_park(command_line);
  if (parked) {
    // What each copy need not do: all code runs for the first time in it.
    init::mount_rest();
    prepare_to_serve(beats);
    init::rehearse("/init");
    channel = wait_to_be_resumed(channel, command_line, problems);
  }
  if (!channel.problem.empty()) power_off("no channel to the host: " + channel.problem);

  init::Agent agent(channel.control,
                    {.alone = true, .each_second = [&] { beats.cover_online_cpus(); }});
  agent.send(init::make_hello(command_line));
  if (!parked) prepare_to_serve(beats);
  beats.begin(channel.beat);
  for (const std::string& problem : problems) agent.send(wire::Log{problem});
  if (!parked) init::mount_rest();
  power_off(agent.run());
}
