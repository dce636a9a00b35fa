#include "guest/wire/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace ktrial::wire {
namespace {

using testing::HasSubstr;

std::vector<Message> one_of_each() {
  return {
      Hello{1, 8, 4, 123456789012, "6.1.0-56-cloud-amd64", "#1 SMP", "console=ttyS0 panic=-1"},
      Beat{3, 77, 0xFFFFFFFFFFFFFFFF},
      Output{Stream::err, std::string("a\0b\n\xFF", 5)},
      Progress{10, 0, "rounds"},
      Exit{ExitKind::signaled, -11, 5'000'000'000, "Segmentation fault"},
      Counters{{{"tainted", 512}, {"warn_count", 1}}},
      Log{"module x.ko: Exec format error"},
      wire::Run{{"/bin/true", "", "a b"}, {"A=1"}, 60'000'000'000, 1 << 20, 100, 64},
      ReadCounters{},
      Ping{42},
      Pong{42},
      PowerOff{},
      TraceSetup{"mono",
                 {"schedule", "a:b"},
                 {{"sched:sched_switch", "prev_pid == 1"}, {"irq:*", ""}},
                 {"vfs_*"}},
      TraceReady{{{"mmcid:*", "no such event"}}},
      ReadTrace{},
      TraceFile{"per_cpu/cpu0/stats", std::string("entries: 1\n\0", 12)},
      TraceEnd{"cannot read"},
      Clocks{5000000000, 7000000000, 12},
      Resume{1700000000000000000, 7101, 7102, std::string(32, '\xa5')},
      ReadFiles{1 << 20, 100},
      GuestFile{FileKind::program, "a/b.sh", std::string("#!\0", 3)},
      FilesEnd{"a pipe was left out"},
  };
}

// Everything that comes out of `bytes`, and the decoder's last state.
std::vector<Message> decode(Decoder& decoder, std::string_view bytes) {
  std::vector<Message> messages;
  decoder.feed(bytes);
  while (auto message = decoder.next()) messages.push_back(*std::move(message));
  return messages;
}

std::string error_of(std::string_view bytes) {
  Decoder decoder;
  decode(decoder, bytes);
  return decoder.error();
}

TEST(WireTest, EachMessageComesBackEqual) {
  ASSERT_EQ(one_of_each().size(), std::variant_size_v<Message>);
  std::string stream;
  for (const Message& message : one_of_each()) stream += encode(message);
  Decoder decoder;
  EXPECT_EQ(decode(decoder, stream), one_of_each());
  EXPECT_EQ(decoder.error(), "");
  EXPECT_FALSE(decoder.mid_frame());
}

// These bytes are the contract with agents already built: they change only with kVersion.
TEST(WireTest, LayoutAndTypeNumbersAreFixed) {
  EXPECT_EQ(encode(Beat{1, 2, 3}), std::string("KTRL\1\0\2\0\x14\0\0\0"
                                               "\1\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0",
                                               32));
  EXPECT_EQ(encode(Log{"hi"}), std::string("KTRL\1\0\7\0\6\0\0\0\2\0\0\0hi", 18));
  EXPECT_EQ(encode(PowerOff{}), std::string("KTRL\1\0\x0c\0\0\0\0\0", 12));
  EXPECT_EQ(encode(TraceEnd{"x"}), std::string("KTRL\1\0\x11\0\5\0\0\0\1\0\0\0x", 17));
}

TEST(WireTest, BeatWithoutAllocationIsTheSameFrame) {
  const Beat beat{0x01020304, 0x1122334455667788, 0x99AABBCCDDEEFF00};
  const auto frame = encode_beat(beat);
  EXPECT_EQ(std::string(frame.begin(), frame.end()), encode(beat));
}

TEST(WireTest, ByteByByteGivesTheSame) {
  std::string stream;
  for (const Message& message : one_of_each()) stream += encode(message);
  Decoder decoder;
  std::vector<Message> messages;
  for (char byte : stream) {
    for (Message& message : decode(decoder, {&byte, 1})) messages.push_back(std::move(message));
  }
  EXPECT_EQ(messages, one_of_each());
}

TEST(WireTest, TruncationAnywhereIsSeenAsMidFrameNeverAsAMessage) {
  for (const Message& message : one_of_each()) {
    const std::string frame = encode(message);
    for (std::size_t size = 0; size < frame.size(); ++size) {
      Decoder decoder;
      EXPECT_TRUE(decode(decoder, frame.substr(0, size)).empty());
      EXPECT_EQ(decoder.error(), "");
      EXPECT_EQ(decoder.mid_frame(), size != 0);
    }
  }
}

// A header that promises less than the message needs.
TEST(WireTest, ShortenedPayloadIsAnError) {
  for (const Message& message : one_of_each()) {
    const std::string frame = encode(message);
    for (std::size_t size = 12; size < frame.size(); ++size) {
      std::string cut = frame.substr(0, size);
      cut[8] = static_cast<char>(size - 12);
      EXPECT_NE(error_of(cut), "") << message.index() << " cut to " << size;
    }
  }
}

TEST(WireTest, HeaderFaultsAreNamed) {
  const std::string frame = encode(Ping{1});
  const auto with = [&](std::size_t at, char value) {
    std::string changed = frame;
    changed[at] = value;
    return error_of(changed);
  };
  EXPECT_THAT(error_of("x"), HasSubstr("frame at byte 0: it does not begin as a frame"));
  EXPECT_THAT(error_of(frame + "KTRX"), HasSubstr("frame at byte 20: it does not begin"));
  EXPECT_THAT(with(4, 2), HasSubstr("version 2, expected 1"));
  EXPECT_THAT(with(6, 0), HasSubstr("unknown type 0"));
  EXPECT_THAT(with(6, 23), HasSubstr("unknown type 23"));
  EXPECT_THAT(with(11, '\x7f'), HasSubstr("too long"));
}

TEST(WireTest, PayloadFaultsAreNamed) {
  EXPECT_THAT(error_of(std::string("KTRL\1\0\x0c\0\1\0\0\0x", 13)), HasSubstr("left over"));
  EXPECT_THAT(error_of(std::string("KTRL\1\0\7\0\4\0\0\0\xff\xff\xff\xff", 16)),
              HasSubstr("reaches past the frame"));
  EXPECT_THAT(error_of(std::string("KTRL\1\0\6\0\4\0\0\0\1\1\0\0", 16)),
              HasSubstr("list is too long"));
  std::string output = encode(Output{});
  output[12] = 3;
  EXPECT_THAT(error_of(output), HasSubstr("out of range"));
}

TEST(WireTest, ErrorIsSticky) {
  Decoder decoder;
  decode(decoder, "garbage");
  const std::string error = decoder.error();
  EXPECT_NE(error, "");
  EXPECT_TRUE(decode(decoder, encode(Ping{1})).empty());
  EXPECT_EQ(decoder.error(), error);
  EXPECT_FALSE(decoder.mid_frame());
}

TEST(WireTest, OversizedMessagesAreCutToTheBounds) {
  const std::string big(200 * 1024, 'x');
  const std::vector<Message> messages = {
      Hello{1, 1, 1, 1, big, big, big},
      Output{Stream::out, big},
      Progress{1, 2, big},
      Exit{ExitKind::exited, 0, 1, big},
      Log{big},
      wire::Run{{big, big}, {big}, 1, 2, 3, 4},
      wire::Run{std::vector<std::string>(1000, "a"), std::vector<std::string>(1000, "B=1"), 1, 2, 3,
                4},
      Counters{std::vector<std::pair<std::string, std::uint64_t>>(1000, {"n", 1})},
      Counters{{{big, 1}, {big, 2}}},
      TraceSetup{big, {big, big}, {{big, big}, {"a", "b"}}, {big, "c"}},
      TraceSetup{"", {}, {{"a", big}, {"b", big}}, std::vector<std::string>(1000, "d")},
      TraceReady{{{big, "a"}, {"b", big}}},
      TraceFile{big, big},
      TraceEnd{big},
      GuestFile{FileKind::file, big, big},
      FilesEnd{big},
  };
  for (const Message& message : messages) {
    const std::string frame = encode(message);
    EXPECT_LE(frame.size(), kMaxPayload + 12);
    Decoder decoder;
    const std::vector<Message> back = decode(decoder, frame);
    ASSERT_EQ(back.size(), 1u) << decoder.error();
    EXPECT_EQ(encode(back[0]), frame);
  }
  Decoder decoder;
  EXPECT_EQ(std::get<wire::Run>(decode(decoder, encode(messages[6]))[0]).argv.size(), kMaxStrings);
}

TEST(WireTest, RandomDamageNeverCrashesAndStaysConsistent) {
  std::mt19937 random(1);
  std::string stream;
  for (const Message& message : one_of_each()) stream += encode(message);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = stream;
    for (unsigned i = random() % 4; i != 0; --i)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    Decoder decoder;
    std::string back;
    for (const Message& message : decode(decoder, damaged)) back += encode(message);
    EXPECT_EQ(back, damaged.substr(0, back.size()));  // each message has one encoding only
  }
}

}  // namespace
}  // namespace ktrial::wire
