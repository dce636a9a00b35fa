// The listening helper process of vsock-listen, and loopback clients.
#pragma once

#include <atomic>
#include <cstdint>

namespace ktrial::workload {

// In memory that the processes share.
struct Shared {
  std::atomic<bool> listening{false}, stop{false};
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> served{0};   // "hello N\n" written whole, by a child
  std::atomic<std::uint64_t> dropped{0};  // the peer went away first
};

// Accepts until `stop`; a child answers each connection. `loopback`: only for
// peers in this guest. Exits (kCannotRun: no vsock here) rather than return an error.
[[noreturn]] void listen_and_serve(std::uint32_t port, bool loopback, Shared& shared);

// One loopback connection: the N of its "hello N\n"; 0: the listener was busy,
// try again. Exits with kBroken when the answer is not such a line.
std::uint64_t connect_once(std::uint32_t port);

}  // namespace ktrial::workload
