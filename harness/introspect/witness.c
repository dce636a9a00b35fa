/* The guest of the introspection tests, in the place of init: it writes the
 * guest's own word to a virtio-serial port, and then only waits. Each section is
 * "NAME LENGTH\n" and so many bytes; the last is "end 0\n". Static. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/introspect/guest_modules.h"

struct text {
  char* bytes;
  size_t length, room;
};

static void append(struct text* text, const char* bytes, size_t length) {
  if (text->length + length > text->room) {
    text->room = 2 * (text->length + length);
    char* larger = realloc(text->bytes, text->room);
    if (larger == NULL) _exit(1);
    text->bytes = larger;
  }
  memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

/* All of a file; of /dev/kmsg, opened not to block, one record a read. */
static void append_file(struct text* text, const char* path, int flags) {
  static char buffer[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return;
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EPIPE) continue; /* kmsg: overwritten meanwhile */
    if (n <= 0) break;
    append(text, buffer, (size_t)n);
  }
  close(fd);
}

static int port = -1;

static void write_all(const char* bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(port, bytes, length);
    if (n < 0) _exit(1); /* PID 1 ends: the kernel panics and the test says so */
    bytes += n;
    length -= (size_t)n;
  }
}

static void send_section(const char* name, struct text* text) {
  char head[64];
  int n = snprintf(head, sizeof head, "%s %zu\n", name, text->length);
  write_all(head, (size_t)n);
  write_all(text->bytes, text->length);
  text->length = 0;
}

static void send_file(const char* name, const char* path, int flags) {
  static struct text text;
  append_file(&text, path, flags);
  send_section(name, &text);
}

/* The file /proc/PID/task/TID/`name` of every thread; with `heads`, each after "#TID". */
static void send_of_threads(const char* section, const char* name, int heads) {
  static struct text text;
  char path[1024];
  DIR* processes = opendir("/proc");
  for (struct dirent* process; processes != NULL && (process = readdir(processes)) != NULL;) {
    if (atoi(process->d_name) <= 0) continue;
    snprintf(path, sizeof path, "/proc/%s/task", process->d_name);
    DIR* threads = opendir(path);
    for (struct dirent* thread; threads != NULL && (thread = readdir(threads)) != NULL;) {
      if (atoi(thread->d_name) <= 0) continue;
      int n = snprintf(path, sizeof path, "#%d\n", atoi(thread->d_name));
      if (heads) append(&text, path, (size_t)n);
      snprintf(path, sizeof path, "/proc/%s/task/%s/%s", process->d_name, thread->d_name, name);
      append_file(&text, path, 0);
    }
    if (threads != NULL) closedir(threads);
  }
  if (processes != NULL) closedir(processes);
  send_section(section, &text);
}

static char state_of(int pid) {
  char path[64], line[256] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, line, sizeof line - 1);
  close(fd);
  char* end = n > 0 ? strrchr(line, ')') : NULL;
  return end != NULL && end[1] == ' ' ? end[2] : 0;
}

static void act(char state) {
  if (state == 'Z') _exit(0);
  if (state == 'T') raise(SIGSTOP);
  /* The parent sleeps uninterruptibly until its child is gone: never. */
  if (state == 'D' && vfork() == 0)
    for (;;) syscall(SYS_pause);
  for (;;) pause();
}

/* A process that stays in `state`. */
static void add_process(const char* name, char state) {
  int pid = fork();
  if (pid == 0) {
    prctl(PR_SET_NAME, name);
    act(state);
  }
  while (state_of(pid) != state) usleep(1000);
}

/* Two processes that take turns, so that the scheduler has something to record. */
static void take_turns(int rounds) {
  int there[2], back[2];
  char byte = 0;
  if (pipe2(there, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0) _exit(1);
  pid_t other = fork();
  if (other == 0) {
    for (int i = 0; i < rounds && read(there[0], &byte, 1) == 1; ++i)
      if (write(back[1], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  for (int i = 0; i < rounds && write(there[1], &byte, 1) == 1; ++i)
    if (read(back[0], &byte, 1) != 1) _exit(1);
  waitpid(other, NULL, 0);
  for (int i = 0; i < 2; ++i) close(there[i]), close(back[i]);
}

static void write_file(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, text, strlen(text)) < 0) _exit(1);
  close(fd);
}

/* format of every event that is on, each after "#NAME". */
static void send_formats(void) {
  static struct text text;
  char line[256], path[512];
  FILE* on = fopen("/sys/kernel/tracing/set_event", "re");
  while (on != NULL && fgets(line, sizeof line, on) != NULL) {
    char* name = strchr(line, ':');
    if (name == NULL) continue;
    line[strcspn(line, "\n")] = 0;
    *name++ = 0;
    int n = snprintf(path, sizeof path, "#%s\n", name);
    append(&text, path, (size_t)n);
    snprintf(path, sizeof path, "/sys/kernel/tracing/events/%s/%s/format", line, name);
    append_file(&text, path, 0);
  }
  if (on != NULL) fclose(on);
  send_section("formats", &text);
}

/* What the kernel's own `trace` shows of each CPU's ring, after some of it was consumed;
 * only with trace_event= on the command line. */
static void send_trace(void) {
  static char buffer[4096];
  char path[128], name[32];
  static struct text command_line;
  append_file(&command_line, "/proc/cmdline", 0);
  append(&command_line, "", 1);
  if (strstr(command_line.bytes, "trace_event=") == NULL) return;
  take_turns(2000);
  write_file("/sys/kernel/tracing/tracing_on", "0");
  for (int cpu = 0; cpu < 2; ++cpu) {
    snprintf(path, sizeof path, "/sys/kernel/tracing/per_cpu/cpu%d/trace_pipe", cpu);
    int fd = cpu == 0 ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd >= 0 && read(fd, buffer, sizeof buffer) < 0) _exit(1);
    if (fd >= 0) close(fd);
    snprintf(path, sizeof path, "/sys/kernel/tracing/per_cpu/cpu%d/trace", cpu);
    snprintf(name, sizeof name, "trace%d", cpu);
    send_file(name, path, 0);
    snprintf(path, sizeof path, "/sys/kernel/tracing/per_cpu/cpu%d/stats", cpu);
    snprintf(name, sizeof name, "stats%d", cpu);
    send_file(name, path, 0);
  }
  send_formats();
}

static void open_port(void) {
  while (port < 0) {
    for (int device = 0; device < 3 && port < 0; ++device) {
      char path[64];
      snprintf(path, sizeof path, "/dev/vport%dp1", device);
      port = open(path, O_WRONLY | O_CLOEXEC);
    }
    usleep(1000);
  }
}

int main(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
  mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  load_modules();
  add_process("test sleeper", 'S');
  add_process("test stopped", 'T');
  add_process("test zombie", 'Z');
  add_process("test (vfork) D", 'D');
  open_port();
  send_file("kallsyms", "/proc/kallsyms", 0);
  send_file("modules", "/proc/modules", 0);
  send_file("btf", "/sys/kernel/btf/vmlinux", 0);
  send_file("vmcoreinfo", "/sys/kernel/vmcoreinfo", 0);
  send_trace();
  send_of_threads("tasks", "stat", 0);
  send_of_threads("stacks", "stack", 1);
  send_file("kmsg", "/dev/kmsg", O_NONBLOCK);
  struct text none = {"", 0, 0};
  send_section("end", &none);
  for (;;) pause();
}
