// A multi-threaded process that vforks helpers without pause, while one helper
// process of it listens on AF_VSOCK and answers each connection from a child:
// the shape of an init that starts `socat VSOCK-LISTEN:...,fork` among others.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "workloads/common/arguments.h"
#include "workloads/common/child.h"
#include "workloads/common/clock.h"
#include "workloads/common/knobs.h"
#include "workloads/common/progress.h"
#include "workloads/common/threads.h"
#include "workloads/vsock-listen/listener.h"

using namespace ktrial::workload;

namespace {

constexpr double kDefaultDuration = 5;  // seconds
constexpr Variant kVariants[] = {Variant::vfork, Variant::posix_spawn, Variant::clone_vfork};
constexpr Behaviour kBehaviours[] = {Behaviour::exec, Behaviour::sleep, Behaviour::spin,
                                     Behaviour::exit};

std::int64_t port = 1024;
std::int64_t helper_threads = 0;
std::int64_t clients = 2;
std::string peer = "host";
bool pin = false;
std::int64_t use = 0;
std::int64_t overcommit = 1;
std::int64_t jitter_us = 0;
std::int64_t seed = 1;

std::atomic<bool> stop{false};
std::atomic<std::uint64_t> helpers{0};
std::atomic<std::uint64_t> answers{0}, sum_of_answers{0}, retries{0};

// Helpers come and go; which kind is next differs from thread to thread.
void* churn(void* first) {
  Slot slot;
  Jitter jitter(jitter_us, seed, reinterpret_cast<std::uint64_t>(first));
  for (std::size_t i = reinterpret_cast<std::size_t>(first); !stop.load(); ++i) {
    slot.variant = kVariants[i % std::size(kVariants)];
    slot.behaviour = kBehaviours[i / std::size(kVariants) % std::size(kBehaviours)];
    slot.status = static_cast<int>(1 + i % 100);
    slot.hold_us = static_cast<std::int64_t>(i * 1237 % 5000);
    jitter.pause();
    const pid_t child = start_child(slot);
    if (child < 0 && (errno == EAGAIN || errno == ENOMEM)) {
      sleep_us(10'000);
      continue;
    }
    if (child < 0) cannot_run("%s: %s", name_of(slot.variant), std::strerror(errno));
    reap_and_check(slot, child);
    ++helpers;
  }
  return nullptr;
}

void* be_client(void*) {
  while (!stop.load()) {
    const std::uint64_t number = connect_once(static_cast<std::uint32_t>(port));
    if (number == 0) {
      ++retries;
      sleep_us(1000);
      continue;
    }
    ++answers;
    sum_of_answers += number;
  }
  return nullptr;
}

// Before we have threads; it dies with us.
pid_t start_listener(bool loopback, Shared& shared) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) cannot_run("fork: %s", std::strerror(errno));
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kCannotRun);
  listen_and_serve(static_cast<std::uint32_t>(port), loopback, shared);
}

// Whether the listener has ended; ends us with its status if it is not kHealthy.
bool listener_ended(pid_t listener, bool wait) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(listener, &status, wait ? 0 : WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return false;
  if (got != listener) broken("waitpid of the listener: %s", std::strerror(errno));
  if (!WIFEXITED(status)) broken("the listener ended by signal %d", WTERMSIG(status));
  if (WEXITSTATUS(status) != kHealthy) _exit(WEXITSTATUS(status));  // it said why
  return true;
}

void show_growth(Progress& progress, const Shared& shared) {
  static std::uint64_t shown = 0;
  const std::uint64_t served = shared.served.load();
  if (served == shown) return;
  progress.tick(served, 0);
  shown = served;
}

int judge(double duration_s, bool loopback, const Shared& shared) {
  const std::uint64_t accepted = shared.accepted.load(), served = shared.served.load();
  if (accepted == 0)
    cannot_run("nobody connected to vsock port %lld within %g s%s", static_cast<long long>(port),
               duration_s, loopback ? "" : "; the host's side is missing");
  if (served == 0)
    broken("%llu connections were accepted and none could be answered",
           static_cast<unsigned long long>(accepted));
  if (accepted != served + shared.dropped.load())
    broken("%llu connections accepted, %llu served, %llu dropped",
           static_cast<unsigned long long>(accepted), static_cast<unsigned long long>(served),
           static_cast<unsigned long long>(shared.dropped.load()));
  // The listener is bound to the loopback: there was no other client than ours.
  if (loopback && (answers != served || sum_of_answers != served * (served + 1) / 2))
    broken("%llu connections were served, each with its number, but %llu answers came",
           static_cast<unsigned long long>(served), static_cast<unsigned long long>(answers));
  std::printf(
      "vsock-listen: %llu connections served, %llu dropped by the peer, %llu helpers run; "
      "seed %lld\n",
      static_cast<unsigned long long>(served),
      static_cast<unsigned long long>(shared.dropped.load()),
      static_cast<unsigned long long>(helpers.load()), static_cast<long long>(seed));
  return kHealthy;
}

}  // namespace

int main(int argc, char** argv) {
  become_child_if_asked(argc, argv);
  const double given_s = parse_arguments(argc, argv,
                                         {{"port", Integer{&port, 1, 65535}},
                                          {"peer", Choice{&peer, {"host", "loopback"}}},
                                          {"threads", Integer{&helper_threads, 0, 64}},
                                          {"clients", Integer{&clients, 1, 16}},
                                          {"cpus", Integer{&use, 0, 1024}},
                                          {"pin", Boolean{&pin}},
                                          {"overcommit", Integer{&overcommit, 1, 16}},
                                          {"jitter_us", Integer{&jitter_us, 0, 100'000}},
                                          {"seed", Integer{&seed, 0, 1'000'000'000}}});
  const std::vector<int> cpus = use_cpus(use);
  const double duration_s = given_s > 0 ? given_s : kDefaultDuration;
  const bool loopback = peer == "loopback";
  require_exec();
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) cannot_run("mmap: %s", std::strerror(errno));
  auto& shared = *new (memory) Shared;
  Progress progress("connections");
  progress.report(0, 0);

  const pid_t listener = start_listener(loopback, shared);
  while (!shared.listening.load() && !listener_ended(listener, false)) sleep_us(1000);
  const Deadline deadline(duration_s);
  std::vector<pthread_t> threads;
  const std::size_t count = helper_threads > 0 ? static_cast<std::size_t>(helper_threads)
                                               : cpus.size() * static_cast<std::size_t>(overcommit);
  for (std::size_t i = 0; i < count; ++i)
    threads.push_back(
        start_thread_on(pin ? cpus[i % cpus.size()] : -1, churn, reinterpret_cast<void*>(i)));
  for (std::int64_t i = 0; loopback && i < clients; ++i)
    threads.push_back(start_thread(be_client, nullptr));

  while (!deadline.passed()) {
    if (listener_ended(listener, false)) broken("the listener ended by itself");
    show_growth(progress, shared);
    sleep_us(10'000);
  }
  stop.store(true);
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  shared.stop.store(true);
  listener_ended(listener, true);
  progress.report(shared.served.load(), 0);
  return judge(duration_s, loopback, shared);
}
