// Memory that supervisor, debugger and clients of one session share. A process that
// dies leaves here what it knew.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "workloads/debug-events/event_log.h"

namespace ktrial::debug_events {

inline constexpr std::uint32_t kMaxEntries = 4096;  // of one client
inline constexpr std::uint32_t kMaxEvents = 65536;  // of the debugger
inline constexpr std::uint32_t kMaxClients = 16;
inline constexpr std::size_t kStageBytes = 3 * 4096;

// Of one writer: an entry is there before it is counted.
template <typename T, std::uint32_t kMax>
class Log {
 public:
  bool add(const T& entry) {
    const std::uint32_t at = count_.load();
    if (at == kMax) return false;
    entries_[at] = entry;
    count_.store(at + 1);
    return true;
  }
  std::uint32_t size() const { return count_.load(); }
  std::vector<T> copy() const { return {entries_, entries_ + count_.load()}; }

 private:
  std::atomic<std::uint32_t> count_{0};
  T entries_[kMax];
};

struct Client {
  std::atomic<std::uint32_t> go{0}, leave{0};             // told by the others; futexes
  std::atomic<std::uint32_t> announced{0}, signalled{0};  // stages; futexes
  std::atomic<std::uint64_t> address{0};                  // of kStageBytes, in the client
  std::atomic<std::uint32_t> in_vfork{0};                 // the client stands still in vfork
  std::atomic<std::uint32_t> tasks_made{0};               // all threads of the discovery are there
  std::atomic<std::uint64_t> operations{0};
  Log<Entry, kMaxEntries> log;
};

struct Shared {
  Client clients[kMaxClients];
  Log<Event, kMaxEvents> events;
  Log<Token, kMaxEntries> tokens[kMaxClients];
  std::atomic<std::uint32_t> attached{0};  // clients
  std::atomic<std::uint32_t> detach{0};    // asked of the debugger: let all go, then end
  std::atomic<std::uint32_t> pairs{0};     // attach/detach pairs done
  std::atomic<std::uint32_t> scans{0};     // of all clients' threads
  std::atomic<std::uint32_t> vforks_held{0};
};

// Sleeps while `word` is `value`; returns now and then without reason, as futexes do.
void wait_while(std::atomic<std::uint32_t>& word, std::uint32_t value);
void set_and_wake(std::atomic<std::uint32_t>& word, std::uint32_t value);

}  // namespace ktrial::debug_events
