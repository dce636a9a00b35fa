// Runs in a guest: how fast a workload goes while events are traced, against the same with them
// off, in turns of a third of a second, so that all turns see the same host.
//
//   trace_cost ROUNDS SYSTEM/EVENT...
//
// Prints "forks|execs|switches OFF ON", in operations a second, a line a round. One CPU only: to
// switch events on patches code under those that run.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char* root = "/sys/kernel/tracing";
static const char* self;

static void die(const char* what) {
  fprintf(stderr, "trace_cost: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void put(const char* name, const char* text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", root, name);
  const int file = open(path, O_WRONLY);
  if (file < 0 || write(file, text, strlen(text)) < 0) die(path);
  close(file);
}

static void switch_events(char** events, const char* text) {
  for (; *events; ++events) {
    char name[128];
    snprintf(name, sizeof name, "events/%s/enable", *events);
    put(name, text);
  }
}

static void reap(pid_t child) {
  if (child < 0 || waitpid(child, NULL, 0) != child) die("child");
}

static void do_fork(void) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  reap(child);
}

static void do_exec(void) {
  const pid_t child = vfork();
  if (child == 0) {
    execl(self, self, (char*)NULL);
    _exit(1);
  }
  reap(child);
}

static int there[2], back[2];

static void do_switch(void) {
  char c = 0;
  if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1) die("pipe");
}

static void echo(void) {
  char c;
  if (pipe(there) || pipe(back)) die("pipe");
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child != 0) return;
  close(there[1]);
  while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1) {
  }
  _exit(0);
}

static double rate(void (*operation)(void)) {
  const double begun = now();
  long count = 0;
  do {
    operation();
    ++count;
  } while (now() < begun + 0.3);
  return count / (now() - begun);
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*operation)(void);
  } kinds[] = {{"forks", do_fork}, {"execs", do_exec}, {"switches", do_switch}};
  if (argc < 3) return 0;  // what do_exec() starts
  self = argv[0];
  mount("tracefs", root, "tracefs", 0, NULL);  // or it is there already
  put("buffer_size_kb", "512");
  echo();
  for (int round = 0; round < atoi(argv[1]); ++round)
    for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; ++kind) {
      double rates[2];
      for (int turn = 0; turn < 2; ++turn) {
        const int on = (round + turn) & 1;  // neither is always the first
        switch_events(argv + 2, on ? "1" : "0");
        rates[on] = rate(kinds[kind].operation);
      }
      printf("%s %.1f %.1f\n", kinds[kind].name, rates[0], rates[1]);
    }
  fflush(stdout);
  return 0;
}
