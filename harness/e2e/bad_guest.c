/* A guest program that misbehaves on request, for the fault tests. It runs
 * either packed (`ktrial run -- bad_guest MODE`) or in the place of ktrial-init
 * (mode from the kernel command line, bad_guest=MODE). Static. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/introspect/guest_modules.h"

/* Writes noise to every virtio-serial port, for ever. */
static void send_garbage(void) {
  static const char kNoise[] = "GET / HTTP/1.1\r\n\r\n\x00\xff\xfe garbage";
  load_modules();
  for (;;) {
    for (int port = 0; port < 4; ++port) {
      char path[64];
      snprintf(path, sizeof path, "/dev/vport%dp%d", port / 2, 1 + port % 2);
      for (int device = 0; device < 3; ++device) {
        snprintf(path, sizeof path, "/dev/vport%dp%d", device, 1 + port % 2);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0) continue;
        if (write(fd, kNoise, sizeof kNoise) < 0) perror("write");
        close(fd);
      }
    }
    usleep(100 * 1000);
  }
}

static void act(const char* mode) {
  if (strcmp(mode, "hang") == 0)
    for (;;) pause();
  if (strcmp(mode, "garbage") == 0) send_garbage();
  if (strcmp(mode, "poweroff") == 0) reboot(RB_POWER_OFF);
  if (strcmp(mode, "reset") == 0) reboot(RB_AUTOBOOT); /* with reboot=t: a triple fault */
  if (strcmp(mode, "panic") == 0) {
    int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
    if (write(fd, "c", 1) < 0) perror("sysrq");
  }
  if (strcmp(mode, "flood") == 0) {
    /* A serial line is slow: 1 MiB takes a while. */
    int fd = open("/dev/console", O_WRONLY | O_CLOEXEC);
    char block[4096];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 257; ++i)
      if (write(fd, block, sizeof block) < 0) perror("write");
  }
}

int main(int argc, char** argv) {
  if (getpid() != 1) {
    act(argc > 1 ? argv[1] : "");
    return 0;
  }
  mkdir("/proc", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  char line[4096] = "";
  FILE* file = fopen("/proc/cmdline", "re");
  if (file == NULL || fgets(line, sizeof line, file) == NULL) return 1;
  char* mode = strstr(line, "bad_guest=");
  if (mode == NULL) return 1; /* PID 1 ends: the kernel panics */
  mode += strlen("bad_guest=");
  mode[strcspn(mode, " \n")] = 0;
  act(mode);
  return 11;
}
