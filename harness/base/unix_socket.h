// Stream sockets of this host (unix(7)), and the descriptors that go over them (SCM_RIGHTS).
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial {

// Closed on exec. `flags` are socket(2)'s: SOCK_NONBLOCK or none.
Result<Fd> listen_unix(const std::filesystem::path& path, int backlog, int flags = 0);
Result<Fd> connect_unix(const std::filesystem::path& path, int flags = 0);

// The most that go with one call; what vhost-user needs (VHOST_MEMORY_BASELINE_NREGIONS).
inline constexpr std::size_t kMostDescriptors = 8;

// All of `bytes` or an error, with at most kMostDescriptors; blocks if the socket does. The
// descriptors stay the caller's: the peer gets copies.
Status send_with(int socket, std::string_view bytes, std::span<const int> descriptors);

struct Received {
  std::size_t size = 0;  // bytes; 0: the peer has closed
  std::vector<Fd> descriptors;
};
// One recvmsg(2): what there is, up to room.size() bytes.
Result<Received> receive_with(int socket, std::span<char> room);

}  // namespace ktrial
