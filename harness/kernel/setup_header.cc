#include "harness/kernel/setup_header.h"

#include <algorithm>
#include <cstring>

namespace ktrial::kernel {
namespace {

constexpr std::size_t kSectorSize = 512;
constexpr std::size_t kSetupSects = 0x1f1;
constexpr std::size_t kSysSize = 0x1f4;  // in units of 16 bytes
constexpr std::size_t kBootFlag = 0x1fe;
constexpr std::size_t kMagic = 0x202;
constexpr std::size_t kProtocol = 0x206;
constexpr std::size_t kKernelVersion = 0x20e;  // offset of a string, from 0x200
constexpr std::size_t kLoadFlags = 0x211;
constexpr std::size_t kXLoadFlags = 0x236;
constexpr std::size_t kHeaderEnd = 0x268;

template <class T>
T load(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

bool has_at(std::string_view bytes, std::size_t offset, std::string_view what) {
  return bytes.size() >= offset + what.size() && bytes.substr(offset, what.size()) == what;
}

std::unexpected<Error> truncated(std::uint64_t need, std::uint64_t have) {
  return usage_error("truncated kernel image: its header speaks of " + std::to_string(need) +
                         " bytes, the file has " + std::to_string(have),
                     "copy or download it again");
}

// "6.1.0-50-cloud-amd64 (debian-kernel@...) #1 SMP ...": the first word.
std::string first_word(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of(std::string_view(" \n\0", 3))));
}

bool has_setup_header(std::string_view head) {
  if (has_at(head, kMagic, "HdrS")) return true;
  // A boot sector without the magic is a bzImage cut within its first KiB.
  return has_at(head, kBootFlag, "\x55\xaa") && head.size() < kMagic + 4;
}

Result<SetupHeader> parse_setup_header(std::string_view head, std::uint64_t file_size) {
  if (!has_at(head, kMagic, "HdrS") || head.size() < kHeaderEnd)
    return truncated(kHeaderEnd, file_size);
  const auto protocol = load<std::uint16_t>(head, kProtocol);
  if (protocol < 0x20c || (load<std::uint8_t>(head, kLoadFlags) & 1) == 0)
    return usage_error("an x86 kernel older than Linux 3.8, or a zImage", "use a newer bzImage");

  const std::uint64_t setup_sects = load<std::uint8_t>(head, kSetupSects);
  const std::uint64_t setup = ((setup_sects == 0 ? 4 : setup_sects) + 1) * kSectorSize;
  const std::uint64_t need = setup + std::uint64_t{load<std::uint32_t>(head, kSysSize)} * 16;
  // The size is rounded up to 16 bytes, the file need not be.
  if (file_size + 15 < need) return truncated(need, file_size);

  const std::uint64_t version = 0x200 + std::uint64_t{load<std::uint16_t>(head, kKernelVersion)};
  if (version == 0x200 || version >= std::min<std::uint64_t>(setup, head.size()))
    return usage_error("bzImage whose header names no kernel version", "copy or build it again");
  std::string release = first_word(head.substr(version, 256));
  if (release.empty() || !std::ranges::all_of(release, [](char c) { return c > ' ' && c < 127; }))
    return usage_error("bzImage with a garbled version string", "copy or build it again");
  return SetupHeader{std::move(release), (load<std::uint16_t>(head, kXLoadFlags) & 1) != 0};
}

}  // namespace ktrial::kernel
