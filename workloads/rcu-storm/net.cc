// Network devices that come and go, and the module behind them, which does, too.
#include <dirent.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "workloads/common/clock.h"
#include "workloads/common/say.h"
#include "workloads/rcu-storm/deeds.h"

namespace ktrial::workload {
namespace {

constexpr char kKind[] = "dummy";

// One request of rtnetlink(7).
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK);
    header()->nlmsg_len = NLMSG_LENGTH(sizeof(ifinfomsg));
  }
  rtattr* add(std::uint16_t type, const void* data, std::size_t size) {
    auto* one = reinterpret_cast<rtattr*>(bytes_ + NLMSG_ALIGN(header()->nlmsg_len));
    one->rta_type = type;
    one->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
    if (size > 0) std::memcpy(RTA_DATA(one), data, size);
    header()->nlmsg_len = NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(one->rta_len);
    return one;
  }
  void end(rtattr* nest) {
    nest->rta_len =
        static_cast<std::uint16_t>(bytes_ + header()->nlmsg_len - reinterpret_cast<char*>(nest));
  }
  // 0, or an errno.
  int send(int netlink) {
    if (::send(netlink, bytes_, header()->nlmsg_len, 0) < 0) return errno;
    alignas(nlmsghdr) char answer[1024];
    if (recv(netlink, answer, sizeof answer, 0) < static_cast<ssize_t>(sizeof(nlmsghdr)))
      return errno;
    const auto* head = reinterpret_cast<const nlmsghdr*>(answer);
    if (head->nlmsg_type != NLMSG_ERROR) return EPROTO;
    return -static_cast<const nlmsgerr*>(NLMSG_DATA(head))->error;
  }

 private:
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_); }
  alignas(nlmsghdr) char bytes_[512] = {};
};

int make_link(int netlink, const std::string& name) {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.add(IFLA_IFNAME, name.c_str(), name.size() + 1);
  rtattr* info = request.add(IFLA_LINKINFO, nullptr, 0);
  request.add(IFLA_INFO_KIND, kKind, sizeof kKind);
  request.end(info);
  return request.send(netlink);
}

void switch_link(const std::string& name, bool up) {
  const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return;
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), sizeof request.ifr_name - 1);
  request.ifr_flags = static_cast<short>(up ? IFF_UP : 0);
  ioctl(any, SIOCSIFFLAGS, &request);
  close(any);
}

// Where the host packed it: /modules/NN-dummy.ko; empty: this kernel has it built in, or not at
// all.
const std::string& module_file() {
  static const std::string file = [] {
    std::string found;
    if (DIR* folder = opendir("/modules")) {
      while (const dirent* entry = readdir(folder))
        if (std::string_view(entry->d_name).ends_with(say("-%s.ko", kKind)))
          found = std::string("/modules/") + entry->d_name;
      closedir(folder);
    }
    return found;
  }();
  return file;
}

// Memory may be short for a moment.
void load_again(int file) {
  constexpr int kTries = 100;
  for (int tries = 1;; ++tries) {
    // "numdummies=0": no device of its own.
    if (syscall(SYS_finit_module, file, "numdummies=0", 0) == 0 || errno == EEXIST) return;
    if (tries == kTries) broken("modules: %s does not load again: %s", kKind, std::strerror(errno));
    sleep_us(20'000);
  }
}

}  // namespace

void make_links(Actor& actor) {
  const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  const std::string name = say("storm%d", actor.number);
  if (netlink < 0 || make_link(netlink, name) != 0) {  // while the module is away
    ++actor.tempest->refused;
  } else {
    switch_link(name, true);
    if (actor.below(2) == 0) switch_link(name, false);
    Request request(RTM_DELLINK, 0);
    request.add(IFLA_IFNAME, name.c_str(), name.size() + 1);
    request.send(netlink);
  }
  if (netlink >= 0) close(netlink);
}

// One at a time: a module that another loads just then is busy.
void load_modules(Actor& actor) {
  static std::mutex one;
  const std::unique_lock lock(one, std::try_to_lock);
  if (!lock.owns_lock()) return;
  const int file = open(module_file().c_str(), O_RDONLY | O_CLOEXEC);
  const bool out = file >= 0 && syscall(SYS_delete_module, kKind, O_NONBLOCK) == 0;
  if (!out) ++actor.tempest->refused;
  if (file >= 0) {
    load_again(file);
    close(file);
  }
}

}  // namespace ktrial::workload
