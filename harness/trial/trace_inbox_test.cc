#include "harness/trial/trace_inbox.h"

#include <gtest/gtest.h>

namespace ktrial::trial {
namespace {

bool take(TraceInbox& inbox, wire::Message message) { return inbox.take(message); }

TEST(TraceInboxTest, PiecesOfAFileAreJoinedInOrder) {
  TraceInbox inbox;
  EXPECT_TRUE(take(inbox, wire::TraceFile{"a", "12"}));
  EXPECT_TRUE(take(inbox, wire::TraceFile{"b", "x"}));
  EXPECT_TRUE(take(inbox, wire::TraceFile{"a", "34"}));
  EXPECT_FALSE(inbox.end());
  EXPECT_TRUE(take(inbox, wire::TraceEnd{"no b"}));
  EXPECT_EQ(inbox.files().at("a"), "1234");
  EXPECT_EQ(inbox.bytes(), 5u);
  EXPECT_EQ(inbox.end()->problem, "no b");
  EXPECT_FALSE(take(inbox, wire::Log{"other"}));
}

TEST(TraceInboxTest, AGuestThatNeverEndsIsNotKeptWithoutBound) {
  TraceInbox inbox;
  const std::string piece(60 << 10, 'x');
  for (std::size_t sent = 0; sent < kMaxTraceBytes + piece.size(); sent += piece.size())
    take(inbox, wire::TraceFile{"a", piece});
  EXPECT_LE(inbox.bytes(), kMaxTraceBytes);
  EXPECT_NE(inbox.trouble(), "");

  TraceInbox many;
  for (std::size_t i = 0; i <= kMaxTraceFiles; ++i)
    take(many, wire::TraceFile{std::to_string(i), ""});
  EXPECT_EQ(many.files().size(), kMaxTraceFiles);
  EXPECT_NE(many.trouble(), "");
}

TEST(TraceInboxTest, NothingIsAddedBehindTheEnd) {
  TraceInbox inbox;
  take(inbox, wire::TraceEnd{});
  take(inbox, wire::TraceFile{"a", "1"});
  EXPECT_TRUE(inbox.files().empty());
}

}  // namespace
}  // namespace ktrial::trial
