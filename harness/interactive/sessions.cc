#include "harness/interactive/sessions.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/base/unix_socket.h"

namespace ktrial::interactive {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr char kEnded = 'e';  // what a user says of a session: its shell has ended

// The folder of a run may have a longer name than a socket's address holds.
struct ShortPath {
  Fd folder;  // what `path` goes through
  fs::path path;
};
Result<ShortPath> shortened(const fs::path& socket) {
  ShortPath out{.folder = KTRIAL_TRY(open_file(socket.parent_path(), O_PATH | O_DIRECTORY)),
                .path = {}};
  out.path = fs::path("/proc/self/fd") / std::to_string(out.folder.get()) / socket.filename();
  return out;
}

Result<Fd> listener(const fs::path& socket) {
  const ShortPath place = KTRIAL_TRY(shortened(socket));
  const mode_t before = ::umask(077);  // a shell in the guest is its owner's alone
  auto fd = listen_unix(place.path, 8);
  ::umask(before);
  if (!fd) return fail_errno("listen on " + socket.string(), fd.error().errno_value);
  return fd;
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
    (void)send_with(to->native_handle(), "full\n", {});
    return;
  }
  const auto number = static_cast<std::size_t>(free - sessions_.begin());
  const std::string line =
      "session " + std::to_string(number + 1) + (free->use == Use::left ? " again\n" : " new\n");
  const int both[] = {free->ports.bytes.get(), free->ports.control.get()};
  if (!send_with(to->native_handle(), line, both)) return;
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
  const ShortPath place = KTRIAL_TRY(shortened(folder / kSocket));
  auto connection = connect_unix(place.path);
  if (!connection)
    return usage_error("run " + folder.filename().string() + " has no shell that runs now", hint);
  Lent out;
  out.connection = std::move(*connection);
  std::array<char, 256> text{};
  auto told = receive_with(out.connection.get(), text);
  const std::string_view line(text.data(), told ? told->size : 0);
  if (line == "full\n")
    return usage_error("run " + folder.filename().string() + ": all its sessions are in use");
  const auto words = split(trimmed(line), ' ');
  if (words.size() != 3 || told->descriptors.size() != 2)
    return usage_error("run " + folder.filename().string() + " ended just now", hint);
  out.ports = {std::move(told->descriptors[0]), std::move(told->descriptors[1])};
  out.number = to_number<int>(words[1]).value_or(0);
  out.again = words[2] == "again";
  return out;
}

void give_back(const Lent& session) {
  (void)::send(session.connection.get(), &kEnded, 1, MSG_NOSIGNAL);
}

}  // namespace ktrial::interactive
