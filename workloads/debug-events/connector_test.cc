#include "workloads/debug-events/connector.h"

#include <gtest/gtest.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>

#include <cstring>

namespace ktrial::debug_events {
namespace {

// As the kernel sends it: netlink header, connector header, event.
std::string datagram(std::uint32_t what, std::int32_t a, std::int32_t c,
                     std::uint32_t idx = CN_IDX_PROC) {
  char event[64] = {};
  nlmsghdr head{};
  cn_msg message{};
  head.nlmsg_len = sizeof head + sizeof message + sizeof event;
  head.nlmsg_type = NLMSG_DONE;
  message.id = {idx, CN_VAL_PROC};
  message.len = sizeof event;
  std::memcpy(event, &what, 4);
  std::memcpy(event + 16, &a, 4);
  std::memcpy(event + 24, &c, 4);
  std::string out(reinterpret_cast<const char*>(&head), sizeof head);
  out.append(reinterpret_cast<const char*>(&message), sizeof message);
  return out.append(event, sizeof event);
}

using Entries = std::vector<Entry>;

TEST(ConnectorTest, ForksExecsAndExits) {
  EXPECT_EQ(parse_connector(datagram(1, 10, 11)), (Entries{{Kind::fork, 11}}));
  EXPECT_EQ(parse_connector(datagram(2, 10, 0)), (Entries{{Kind::exec, 10}}));
  EXPECT_EQ(parse_connector(datagram(0x80000000, 10, 0)), (Entries{{Kind::exit, 10}}));
  EXPECT_EQ(parse_connector(datagram(0x200, 10, 0)), Entries{}) << "comm: not ours";
  EXPECT_EQ(parse_connector(datagram(1, 10, 11, 77)), Entries{}) << "another connector";
}
TEST(ConnectorTest, SeveralMessagesInOneDatagram) {
  EXPECT_EQ(parse_connector(datagram(1, 1, 2) + datagram(2, 2, 0)),
            (Entries{{Kind::fork, 2}, {Kind::exec, 2}}));
}
TEST(ConnectorTest, WrongLengthsAreRefused) {
  const std::string good = datagram(1, 10, 11);
  for (std::size_t size = 1; size < good.size(); ++size)
    EXPECT_EQ(parse_connector(good.substr(0, size)), std::nullopt) << size;
  std::string none = good;
  std::memset(none.data(), 0, 4);  // a message of length 0 would never end
  EXPECT_EQ(parse_connector(none), std::nullopt);
  std::string inner = good;
  inner[sizeof(nlmsghdr) + 16] = 127;  // cn_msg.len, beyond the message
  EXPECT_EQ(parse_connector(inner), std::nullopt);
}

}  // namespace
}  // namespace ktrial::debug_events
