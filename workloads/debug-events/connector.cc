#include "workloads/debug-events/connector.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace ktrial::debug_events {
namespace {

constexpr int kReceiveBuffer = 16 << 20;      // bytes
constexpr std::size_t kMostSeen = 1'000'000;  // a storm of others must not fill memory
constexpr std::uint32_t kFork = 1, kExec = 2, kExit = 0x80000000;  // proc_event.what

template <typename T>
T load(std::string_view bytes, std::size_t at = 0) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// proc_event begins with what, cpu, timestamp_ns; then the event's own fields.
bool take_event(std::string_view event, std::vector<Entry>& into) {
  constexpr std::size_t kFields = offsetof(proc_event, event_data);
  if (event.size() < kFields + 4 * sizeof(std::int32_t)) return false;
  const auto what = load<std::uint32_t>(event);
  // fork: parent pid, parent tgid, child pid, child tgid. exec, exit: pid, tgid, ...
  if (what == kFork) into.push_back({Kind::fork, load<std::int32_t>(event, kFields + 8)});
  if (what == kExec) into.push_back({Kind::exec, load<std::int32_t>(event, kFields)});
  if (what == kExit) into.push_back({Kind::exit, load<std::int32_t>(event, kFields)});
  return true;
}

bool take_message(std::string_view payload, std::vector<Entry>& into) {
  if (payload.size() < sizeof(cn_msg)) return false;
  const auto head = load<cn_msg>(payload);
  payload.remove_prefix(sizeof head);
  if (head.len > payload.size()) return false;
  if (head.id.idx != CN_IDX_PROC || head.id.val != CN_VAL_PROC) return true;
  return take_event(payload.substr(0, head.len), into);
}

}  // namespace

std::optional<std::vector<Entry>> parse_connector(std::string_view datagram) {
  std::vector<Entry> out;
  while (!datagram.empty()) {
    if (datagram.size() < sizeof(nlmsghdr)) return std::nullopt;
    const auto head = load<nlmsghdr>(datagram);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > datagram.size()) return std::nullopt;
    if (head.nlmsg_type == NLMSG_DONE &&
        !take_message(datagram.substr(sizeof head, head.nlmsg_len - sizeof head), out))
      return std::nullopt;
    datagram.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), datagram.size()));
  }
  return out;
}

void Connector::give_up(const char* what) {
  if (why_not_.empty()) why_not_ = std::string(what) + ": " + std::strerror(errno);
}

// The kernel does not listen to who is in another PID or user namespace, and does not say so
// (drivers/connector/cn_proc.c). These are the inodes of the first ones (include/linux/proc_ns.h).
static bool in_a_container() {
  struct stat pid{}, user{};
  return stat("/proc/self/ns/pid", &pid) == 0 && stat("/proc/self/ns/user", &user) == 0 &&
         (pid.st_ino != 0xEFFFFFFC || user.st_ino != 0xEFFFFFFD);
}

Connector::Connector() {
  if (in_a_container()) {
    why_not_ = "it tells nothing inside a container";
    return;
  }
  fd_ = socket(PF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
  if (fd_ < 0) {
    give_up("no NETLINK_CONNECTOR socket");
    return;
  }
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = CN_IDX_PROC;
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    give_up("the proc connector's group");
  else
    listen();
}

void Connector::listen() {
  const std::uint32_t operation = PROC_CN_MCAST_LISTEN;
  nlmsghdr head{};
  cn_msg message{};
  head.nlmsg_len = sizeof head + sizeof message + sizeof operation;
  head.nlmsg_type = NLMSG_DONE;
  message.id = {CN_IDX_PROC, CN_VAL_PROC};
  message.len = sizeof operation;
  char request[sizeof head + sizeof message + sizeof operation];
  std::memcpy(request, &head, sizeof head);
  std::memcpy(request + sizeof head, &message, sizeof message);
  std::memcpy(request + sizeof head + sizeof message, &operation, sizeof operation);
  if (send(fd_, request, sizeof request, 0) != static_cast<ssize_t>(sizeof request))
    give_up("listening to the proc connector (CONFIG_PROC_EVENTS)");
}

Connector::~Connector() {
  if (fd_ >= 0) close(fd_);
}

void Connector::drain() {
  char buffer[8192];
  while (fd_ >= 0) {
    const ssize_t size = recv(fd_, buffer, sizeof buffer, MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == ENOBUFS) {
      give_up("events were lost");
      continue;
    }
    if (size <= 0) return;
    if (static_cast<std::size_t>(size) > sizeof buffer) {
      malformed_ = true;
      continue;
    }
    const auto entries = parse_connector({buffer, static_cast<std::size_t>(size)});
    if (!entries) malformed_ = true;
    if (entries && entries_.size() < kMostSeen)
      entries_.insert(entries_.end(), entries->begin(), entries->end());
  }
}

void Connector::forget() {
  drain();
  entries_.clear();
  if (why_not_.starts_with("events were lost")) why_not_.clear();
}

}  // namespace ktrial::debug_events
