#include "harness/interactive/sessions.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::interactive {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr char kEnded = 'e';  // what a user says of a session: its shell has ended

// The folder of a run may have a longer name than a socket's address holds.
struct Address {
  Fd folder;
  sockaddr_un name{};
};
Result<Address> address_of(const fs::path& socket) {
  Address out{.folder = KTRIAL_TRY(open_file(socket.parent_path(), O_PATH | O_DIRECTORY))};
  out.name.sun_family = AF_UNIX;
  const std::string path =
      "/proc/self/fd/" + std::to_string(out.folder.get()) + "/" + socket.filename().string();
  path.copy(out.name.sun_path, sizeof out.name.sun_path - 1);
  return out;
}

Result<Fd> listener(const fs::path& socket) {
  const Address address = KTRIAL_TRY(address_of(socket));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const mode_t before = ::umask(077);  // a shell in the guest is its owner's alone
  const bool bound = fd && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.name),
                                  sizeof address.name) == 0;
  const int error = errno;
  ::umask(before);
  if (!bound) return fail_errno("listen on " + socket.string(), error);
  if (::listen(fd.get(), 8) != 0) return fail_errno("listen on " + socket.string(), errno);
  return fd;
}

// A line, and with it up to two descriptors.
bool send_line(int socket, const std::string& line, std::span<const int> descriptors) {
  iovec part{const_cast<char*>(line.data()), line.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> room{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = room.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
}

struct Told {
  std::string line;
  std::vector<Fd> descriptors;
};
Told receive_line(int socket) {
  Told out;
  std::array<char, 256> text{};
  iovec part{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> room{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (got <= 0) return out;
  out.line.assign(text.data(), static_cast<std::size_t>(got));
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

}  // namespace

Sessions::Sessions(asio::io_context& io, fs::path socket, std::vector<SessionPorts> ports)
    : io_(io), socket_(std::move(socket)), acceptor_(io) {
  for (SessionPorts& one : ports) sessions_.push_back({std::move(one)});
}

Sessions::~Sessions() {
  std::error_code ignored;
  fs::remove(socket_, ignored);
}

Result<std::unique_ptr<Sessions>> Sessions::open(asio::io_context& io, const fs::path& folder,
                                                 std::vector<SessionPorts> ports) {
  Fd fd = KTRIAL_TRY(listener(folder / kSocket));
  std::unique_ptr<Sessions> out(new Sessions(io, folder / kSocket, std::move(ports)));
  out->acceptor_.assign(asio::local::stream_protocol(), fd.release());
  out->accept();
  return out;
}

void Sessions::accept() {
  auto next = std::make_shared<Socket>(io_);
  acceptor_.async_accept(
      *next, [this, next, alive = std::weak_ptr<int>(alive_)](boost::system::error_code failed) {
        if (failed || alive.expired()) return;
        lend(next);
        accept();
      });
}

// One that somebody left comes first: he may want it back.
void Sessions::lend(std::shared_ptr<Socket> to) {
  auto free = std::ranges::find(sessions_, Use::left, &Session::use);
  if (free == sessions_.end()) free = std::ranges::find(sessions_, Use::unused, &Session::use);
  if (free == sessions_.end()) {
    send_line(to->native_handle(), "full\n", {});
    return;
  }
  const auto number = static_cast<std::size_t>(free - sessions_.begin());
  const std::string line =
      "session " + std::to_string(number + 1) + (free->use == Use::left ? " again\n" : " new\n");
  const int both[] = {free->ports.bytes.get(), free->ports.control.get()};
  if (!send_line(to->native_handle(), line, both)) return;
  free->use = Use::lent;
  watch(std::move(to), number);
}

void Sessions::watch(std::shared_ptr<Socket> user, std::size_t number) {
  auto said = std::make_shared<char>(0);
  user->async_read_some(
      asio::buffer(said.get(), 1), [this, user, said, number, alive = std::weak_ptr<int>(alive_)](
                                       boost::system::error_code failed, std::size_t) {
        if (alive.expired()) return;
        sessions_[number].use = !failed && *said == kEnded ? Use::unused : Use::left;
      });
}

Result<Lent> borrow_session(const fs::path& folder) {
  const char* hint = "`ktrial shell` in another terminal starts one";
  const Address address = KTRIAL_TRY(address_of(folder / kSocket));
  Lent out;
  out.connection = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!out.connection ||
      ::connect(out.connection.get(), reinterpret_cast<const sockaddr*>(&address.name),
                sizeof address.name) != 0)
    return usage_error("run " + folder.filename().string() + " has no shell that runs now", hint);
  Told told = receive_line(out.connection.get());
  if (told.line == "full\n")
    return usage_error("run " + folder.filename().string() + ": all its sessions are in use");
  const auto words = split(trimmed(told.line), ' ');
  if (words.size() != 3 || told.descriptors.size() != 2)
    return usage_error("run " + folder.filename().string() + " ended just now", hint);
  out.ports = {std::move(told.descriptors[0]), std::move(told.descriptors[1])};
  out.number = to_number<int>(words[1]).value_or(0);
  out.again = words[2] == "again";
  return out;
}

void give_back(const Lent& session) {
  (void)::send(session.connection.get(), &kEnded, 1, MSG_NOSIGNAL);
}

}  // namespace ktrial::interactive
