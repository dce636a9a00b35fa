#include "harness/bundle/show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace ktrial::bundle {
namespace {
using ::testing::HasSubstr;

// A few words of eight bytes.
class FewWords final : public introspect::AddressSpace {
 public:
  Status read(std::uint64_t address, std::span<std::byte> out) const override {
    const auto word = words.upper_bound(address);
    if (word == words.begin()) return fail(ErrorKind::protocol, "nothing is there");
    const auto& [at, value] = *std::prev(word);
    if (address + out.size() > at + sizeof value)
      return fail(ErrorKind::protocol, "nothing is there");
    std::memcpy(out.data(), reinterpret_cast<const char*>(&value) + (address - at), out.size());
    return {};
  }
  std::map<std::uint64_t, std::uint64_t> words;
};

const Map& show_map() {
  static const Map kMap{.symbols = introspect::SymbolTable({{0x1000, 'D', "pointer", ""}}),
                        .tasks = {},
                        .per_cpu = {0, 0x100},
                        .types = {},
                        .task_structs = {{153, 0x2000}}};
  return kMap;
}

TEST(ShowTest, AWordIsReadThroughPointersAndAsWideAsItIs) {
  FewWords memory;
  memory.words = {{0x1000, 0x3000}, {0x2000, 0x1122334455667788}, {0x3110, 0x4000000000000007}};
  const auto text = [&](const std::vector<std::string>& words) {
    const auto out = text_of_words(words, show_map(), 2, memory);
    return out ? *out : out.error().message;
  };
  EXPECT_EQ(text({"u32[task@153+4]"}), "u32[task@153+4]  0x11223344 (287454020)\n");
  EXPECT_EQ(text({"u8[[pointer]@1+0x10]", "u64[pointer]"}),
            "u8[[pointer]@1+0x10]  0x7 (7)\nu64[pointer]          0x3000 (12288)\n");
  EXPECT_THAT(text({"u64[0x10]"}), HasSubstr("cannot be read: nothing is there"));
  EXPECT_THAT(text({"u32[no_such]"}), HasSubstr("--show: column 5: the kernel of this run"));
  EXPECT_THAT(text({"vcpu 0 in user"}), HasSubstr("--show: column 1: u8, u16, u32 or u64"));
}

}  // namespace
}  // namespace ktrial::bundle
