// Threads that wait for each other: mutexes that hand priority on, and wake-ups.
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "workloads/common/clock.h"
#include "workloads/common/threads.h"
#include "workloads/sched-storm/deeds.h"

namespace ktrial::workload {
namespace {

constexpr int kLinks = 4;
constexpr int kRounds = 4;

// Link i holds mutex i and waits for mutex i+1; the first has the highest priority, which the last
// is to run with. The order is one, so that none waits for ever.
struct Chain {
  struct Link {
    Chain* chain = nullptr;
    int number = 0;
    pthread_t thread{};
  };
  std::array<pthread_mutex_t, kLinks> mutexes;
  std::array<volatile int, kLinks> counts{};  // each below its mutex
  std::array<Link, kLinks> links;

  Chain() {
    pthread_mutexattr_t handing_on;
    pthread_mutexattr_init(&handing_on);
    pthread_mutexattr_setprotocol(&handing_on, PTHREAD_PRIO_INHERIT);
    for (pthread_mutex_t& mutex : mutexes) pthread_mutex_init(&mutex, &handing_on);
    pthread_mutexattr_destroy(&handing_on);
  }
  ~Chain() {
    for (pthread_mutex_t& mutex : mutexes) pthread_mutex_destroy(&mutex);
  }
};

void count(Chain& chain, int number) { chain.counts[number] = chain.counts[number] + 1; }

void* hold(void* argument) {
  auto& link = *static_cast<Chain::Link*>(argument);
  Chain& chain = *link.chain;
  const int number = link.number;
  const sched_param priority{.sched_priority = 10 + kLinks - number};
  sched_setscheduler(0, SCHED_FIFO, &priority);
  for (int round = 0; round < kRounds; ++round) {
    pthread_mutex_lock(&chain.mutexes[number]);
    count(chain, number);
    spin_until(now_ns() + 50'000);
    if (number + 1 < kLinks) {
      pthread_mutex_lock(&chain.mutexes[number + 1]);
      count(chain, number + 1);
      pthread_mutex_unlock(&chain.mutexes[number + 1]);
    }
    pthread_mutex_unlock(&chain.mutexes[number]);
    sleep_us(100);
  }
  return nullptr;
}

long futex(std::atomic<std::uint32_t>& word, int what, std::uint32_t value) {
  return syscall(SYS_futex, &word, what | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

// Two threads that take turns; the word is even when it is the first one's.
struct Table {
  std::atomic<std::uint32_t> word{0};
  std::uint32_t rounds = 0;
  int cpu = 0;
};

void take_turns(Table& table, std::uint32_t parity) {
  for (std::uint32_t turn = parity; turn < 2 * table.rounds; turn += 2) {
    for (std::uint32_t now = table.word; now != turn; now = table.word)
      futex(table.word, FUTEX_WAIT, now);
    ++table.word;
    futex(table.word, FUTEX_WAKE, 1);
  }
}

void* second(void* argument) {
  Table& table = *static_cast<Table*>(argument);
  pin_to_cpu(table.cpu);
  take_turns(table, 1);
  return nullptr;
}

}  // namespace

void chain_mutexes(Actor&) {
  Chain chain;
  for (int i = 0; i < kLinks; ++i) {
    chain.links[i].chain = &chain;
    chain.links[i].number = i;
    chain.links[i].thread = start_thread(hold, &chain.links[i]);
  }
  for (const Chain::Link& link : chain.links) pthread_join(link.thread, nullptr);
  for (int i = 0; i < kLinks; ++i)
    if (const int wanted = i == 0 ? kRounds : 2 * kRounds; chain.counts[i] != wanted)
      broken("chains: %d of %d turns below a mutex were counted: two threads held it",
             chain.counts[i], wanted);
}

void ping_pong(Actor& actor) {
  Table table;
  table.rounds = 50;
  table.cpu = actor.tempest->cpus[actor.below(actor.tempest->cpus.size())];
  const pthread_t other = start_thread(second, &table);
  take_turns(table, 0);
  pthread_join(other, nullptr);
}

}  // namespace ktrial::workload
