// The least that a guest can do: say one line, power off. What ktrial's agent
// is measured against.
#include <sys/reboot.h>
#include <unistd.h>

int main(void) {
  static const char kLine[] = "\nBARE-INIT-IS-UP\n";
  if (write(1, kLine, sizeof(kLine) - 1) < 0) return 1;
  reboot(RB_POWER_OFF);
  for (;;) pause();
}
