// Guests and hosts that are hard on the channel between them.
#include <sys/resource.h>

#include "harness/channel/channel.h"
#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {

// Moves the channel's interrupts between two CPUs, and says something to lose.
constexpr char kMoveInterrupts[] = R"(
irqs=
while read -r irq rest; do
  case "$rest" in *virtio*) irqs="$irqs ${irq%:}" ;; esac
done < /proc/interrupts
turn=0
while [ $turn -lt 60000 ]; do
  for irq in $irqs; do echo 2 > /proc/irq/$irq/smp_affinity; done 2> /dev/null
  for irq in $irqs; do echo 4 > /proc/irq/$irq/smp_affinity; done 2> /dev/null
  turn=$((turn + 1))
  [ $((turn % 5)) = 0 ] && echo "turn $turn"
done
exit 0
)";

class ChannelDrill : public E2eTest {};

// The daemon is slow to tell of what it took, as on a busy host.
TEST_F(ChannelDrill, AnInterruptThatIsLostOnItsWayToAnotherCpuSilencesNobody) {
  REQUIRE_DIRECT_QEMU("it has the daemon, too");
  if (auto why = channel::why_unusable(channel::Kind::vhost_user_vsock))
    GTEST_SKIP() << why->message;
  REQUIRE_KERNEL(kKernel);
  REQUIRE_KERNEL(kFixedKernel);
  for (const char* kernel : {kKernel, kFixedKernel}) {
    for (int round = 0; round < rounds() / 2; ++round) {
      Running running =
          start({"run", "--kernel", kernel, "--channel", "vhost-user-vsock", "--start", "cold",
                 "--format", "json", "--", "/bin/sh", "-c", kMoveInterrupts});
      const auto daemons = [&] { return processes("vhost-device-vsock"); };
      ASSERT_TRUE(eventually([&] { return !daemons().empty(); })) << running.err();
      for (const auto& task :
           std::filesystem::directory_iterator("/proc/" + std::to_string(daemons()[0]) + "/task"))
        ::setpriority(PRIO_PROCESS, std::stoul(task.path().filename()), 19);
      const auto result = running.wait();
      EXPECT_EQ(result.exit, 0) << kernel << " round " << round << "\n" << result.err;
    }
  }
}

}  // namespace
}  // namespace ktrial::e2e
