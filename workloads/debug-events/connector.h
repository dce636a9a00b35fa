// The kernel's proc connector (include/uapi/linux/cn_proc.h): a netlink group that
// tells every fork, exec and exit. A second witness beside ptrace.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/debug-events/event_log.h"

namespace ktrial::debug_events {

// One datagram: its forks, execs and exits. None if a length or a type is wrong.
std::optional<std::vector<Entry>> parse_connector(std::string_view datagram);

class Connector {
 public:
  // Listens from now on. why_not() tells why it could not, or why it is no witness any
  // more (events were lost, a datagram made no sense); "" if it is one.
  Connector();
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  const std::string& why_not() const { return why_not_; }
  bool malformed() const { return malformed_; }
  // Takes in what has come; does not wait.
  void drain();
  const std::vector<Entry>& entries() const { return entries_; }
  void forget();  // what came so far, a loss included

 private:
  void listen();
  void give_up(const char* what);
  int fd_ = -1;
  bool malformed_ = false;
  std::string why_not_;
  std::vector<Entry> entries_;
};

}  // namespace ktrial::debug_events
