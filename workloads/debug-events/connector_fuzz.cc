// Any datagram: it ends, nothing is read beyond it, and no more entries come out than
// messages could be in it.
#include <linux/connector.h>
#include <linux/netlink.h>

#include <cstdlib>

#include "workloads/debug-events/connector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto entries =
      ktrial::debug_events::parse_connector({reinterpret_cast<const char*>(data), size});
  if (entries && entries->size() * (sizeof(nlmsghdr) + sizeof(cn_msg) + 32) > size) std::abort();
  return 0;
}
