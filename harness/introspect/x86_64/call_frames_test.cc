#include "harness/introspect/x86_64/call_frames.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "harness/introspect/symbol_file.h"
#include "harness/introspect/x86_64/isa.h"

namespace ktrial::introspect::x86_64 {
namespace {

constexpr OrcEntry kEntered{OrcType::call, OrcRegister::sp, OrcRegister::undefined, 8, 0};
constexpr OrcEntry kFramed{OrcType::call, OrcRegister::bp, OrcRegister::prev_sp, 16, -16};
constexpr OrcEntry kInterrupted{OrcType::regs, OrcRegister::sp, OrcRegister::undefined, 0, 0};
constexpr OrcEntry kEnd{OrcType::end, OrcRegister::undefined, OrcRegister::undefined, 0, 0};

// What a reader of DWARF finds: of each description where it begins, how long it is, whether it is
// an interrupt's, and its program.
struct Description {
  std::uint64_t begin = 0, size = 0;
  bool signal = false;
  std::string program;
};
std::vector<Description> parse(const std::string& section) {
  const auto number = [&](std::size_t at, std::size_t size) {
    std::uint64_t out = 0;
    std::memcpy(&out, section.data() + at, size);
    return out;
  };
  std::map<std::uint64_t, bool> common;  // by their offset: interrupts
  std::vector<Description> out;
  for (std::size_t at = 0; at < section.size();) {
    const std::size_t length = number(at, 4);
    EXPECT_EQ((length + 4) % 8, 0u);
    if (number(at + 4, 4) == 0xffffffff)
      common[at] = section[at + 9] == 'S';
    else
      out.push_back({number(at + 8, 8), number(at + 16, 8), common.at(number(at + 4, 4)),
                     section.substr(at + 24, length - 20)});
    at += length + 4;
  }
  return out;
}

TEST(CallFramesTest, CallsOfAFunctionShareADescription) {
  CallFrames frames;
  frames.add(0x1000, 0x1004, kEntered);
  frames.add(0x1004, 0x1040, kFramed);
  const auto got = parse(frames.take());
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].begin, 0x1000u);
  EXPECT_EQ(got[0].size, 0x40u);
  EXPECT_FALSE(got[0].signal);
  // CFA = rsp + 8, the return address at CFA - 8, rbp as it was; 4 bytes on: CFA = rbp + 16, rbp
  // at CFA - 16.
  EXPECT_EQ(got[0].program.substr(0, 20), std::string("\x12\x07\x7f\x90\x01\x08\x06"
                                                      "\x04\x04\0\0\0"
                                                      "\x12\x06\x7e\x90\x01\x11\x06\x02",
                                                      20));
}

TEST(CallFramesTest, InterruptsAndEndsStandAlone) {
  CallFrames frames;
  frames.add(0x1000, 0x1010, kEntered);
  frames.add(0x1010, 0x1020, kInterrupted);
  frames.add(0x1020, 0x1030, kEnd);
  frames.add(0x2000, 0x2010, kEntered);
  const auto got = parse(frames.take());
  ASSERT_EQ(got.size(), 4u);
  EXPECT_TRUE(std::ranges::any_of(got, [](const Description& one) {
    return one.signal && one.begin == 0x1010 && one.size == 0x10;
  }));
  for (const Description& one : got)
    if (one.begin == 0x1020) {
      EXPECT_NE(one.program.find("\x07\x10"), std::string::npos) << "no return address";
    }
}

TEST(CallFramesTest, ALongFunctionIsCutAndAGapEndsOne) {
  CallFrames frames;
  std::uint64_t at = 0x1000;
  for (int i = 0; i < 200; ++i, at += 4) frames.add(at, at + 4, kEntered);
  frames.add(at + 64, at + 68, kEntered);
  std::uint64_t covered = 0;
  const auto got = parse(frames.take());
  for (const Description& one : got) covered += one.size;
  EXPECT_EQ(got.size(), 5u);
  EXPECT_EQ(covered, 804u);
}

TEST(SymbolFileTest, NamesAreWhereTheyAre) {
  const SymbolTable symbols({{0xffffffff81000000, 'T', "_text", ""},
                             {0xffffffff81000100, 't', "inner", ""},
                             {0xffffffff81001000, 'T', "_etext", ""},
                             {0xffffffff81002000, 'd', "datum", ""},
                             {0xffffffff81003000, 'B', "_end", ""},
                             {0xffffffffc0001000, 't', "of_module", "m"}});
  const std::string file = symbol_file(kIsa, symbols, "frames");
  Elf64_Ehdr header;
  ASSERT_GT(file.size(), sizeof header);
  std::memcpy(&header, file.data(), sizeof header);
  ASSERT_LE(header.e_shoff + header.e_shnum * sizeof(Elf64_Shdr), file.size());
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), file.data() + header.e_shoff, sections.size() * sizeof sections[0]);
  const char* names = file.data() + sections[header.e_shstrndx].sh_offset;
  std::map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < sections.size(); ++i) by_name[names + sections[i].sh_name] = i;
  EXPECT_EQ(sections[by_name.at(".text")].sh_addr, 0xffffffff81000000u);
  EXPECT_EQ(sections[by_name.at(".text")].sh_size, 0x1000u);
  EXPECT_EQ(sections[by_name.at(".data")].sh_size, 0x2000u);
  const Elf64_Shdr& frames = sections[by_name.at(".debug_frame")];
  EXPECT_EQ(file.substr(frames.sh_offset, frames.sh_size), "frames");

  const Elf64_Shdr& table = sections[by_name.at(".symtab")];
  const char* strings = file.data() + sections[table.sh_link].sh_offset;
  std::map<std::string, Elf64_Sym> found;
  for (std::size_t i = 1; i < table.sh_size / sizeof(Elf64_Sym); ++i) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, file.data() + table.sh_offset + i * sizeof symbol, sizeof symbol);
    found[strings + symbol.st_name] = symbol;
    EXPECT_EQ(ELF64_ST_BIND(symbol.st_info), i < table.sh_info ? STB_LOCAL : STB_GLOBAL);
  }
  ASSERT_EQ(found.size(), 6u);
  EXPECT_EQ(found["inner"].st_value, 0xffffffff81000100u);
  EXPECT_EQ(found["inner"].st_shndx, by_name.at(".text"));
  EXPECT_EQ(ELF64_ST_TYPE(found["inner"].st_info), STT_FUNC);
  EXPECT_EQ(ELF64_ST_TYPE(found["datum"].st_info), STT_OBJECT);
  EXPECT_EQ(found["of_module"].st_shndx, by_name.at(".modules"));
}

}  // namespace
}  // namespace ktrial::introspect::x86_64
