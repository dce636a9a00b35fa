#include "harness/base/unix_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ktrial {
namespace fs = std::filesystem;

namespace {
Result<sockaddr_un> address_of(const fs::path& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  if (path.string().size() >= sizeof out.sun_path)
    return fail(ErrorKind::environment, path.string() + ": is too long for a socket");
  path.string().copy(out.sun_path, sizeof out.sun_path - 1);
  return out;
}

const sockaddr* any(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

using Rights = std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))>;

void attach(msghdr& message, Rights& room, std::span<const int> descriptors) {
  message.msg_control = room.data();
  message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
}
}  // namespace

Result<Fd> listen_unix(const fs::path& path, int backlog, int flags) {
  const sockaddr_un address = KTRIAL_TRY(address_of(path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd || ::bind(fd.get(), any(address), sizeof address) != 0 ||
      ::listen(fd.get(), backlog) != 0)
    return fail_errno("listen on " + path.string(), errno);
  return fd;
}

Result<Fd> connect_unix(const fs::path& path, int flags) {
  const sockaddr_un address = KTRIAL_TRY(address_of(path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd || ::connect(fd.get(), any(address), sizeof address) != 0)
    return fail_errno("connect to " + path.string(), errno);
  return fd;
}

Status send_with(int socket, std::string_view bytes, std::span<const int> descriptors) {
  if (descriptors.size() > kMostDescriptors) return fail_errno("send descriptors", EINVAL);
  alignas(cmsghdr) Rights room{};
  while (!bytes.empty()) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) attach(message, room, descriptors);
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return fail_errno("send descriptors", errno);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
    descriptors = {};  // they went with the first bytes
  }
  return {};
}

Result<Received> receive_with(int socket, std::span<char> room) {
  iovec part{room.data(), room.size()};
  alignas(cmsghdr) Rights rights{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = rights.data();
  message.msg_controllen = rights.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno("receive descriptors", errno);
  Received out{.size = static_cast<std::size_t>(got), .descriptors = {}};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
      out.descriptors.emplace_back(fd);
    }
  }
  return out;
}

}  // namespace ktrial
