#include "harness/trial/exact_paths.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "harness/base/text.h"

namespace ktrial::trial {
namespace {

constexpr char kPathsHead[] =
    "# ktrial: blocks of the kernel's code that were run (b: address after the last one, visits, "
    "instructions) and marks of the vCPUs' jumps (m: vCPU, hash); all hex\n";
constexpr char kPathsCut[] = "# there was no room for all\n";
constexpr std::uint64_t kMostPathCpus = 256;

std::optional<std::uint64_t> take_hex(std::string_view& line) {
  while (line.starts_with(' ')) line.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value, 16);
  if (error != std::errc()) return std::nullopt;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return value;
}

}  // namespace

std::string to_text(const vm::Paths& paths) {
  std::string out = kPathsHead;
  if (!paths.whole) out += kPathsCut;
  std::uint64_t before = 0;
  for (const vm::Paths::Block& block : paths.blocks) {
    fmt::format_to(std::back_inserter(out), "b {:x} {:x} {:x}\n", block.address - before,
                   block.visits, block.instructions);
    before = block.address;
  }
  for (std::size_t cpu = 0; cpu < paths.marks.size(); ++cpu)
    for (const std::uint64_t hash : paths.marks[cpu])
      fmt::format_to(std::back_inserter(out), "m {:x} {:x}\n", cpu, hash);
  return out;
}

Result<vm::Paths> parse_paths(std::string_view text) {
  vm::Paths out;
  std::uint64_t before = 0;
  for (int number = 1; const auto taken = take_line(text); ++number) {
    std::string_view line = *taken;
    if (line == std::string_view(kPathsCut, sizeof kPathsCut - 2)) out.whole = false;
    if (line.starts_with('#')) continue;
    const char kind = line.empty() ? '\0' : line.front();
    if (!line.empty()) line.remove_prefix(1);
    const auto first = take_hex(line), second = take_hex(line);
    const auto third = kind == 'b' ? take_hex(line) : std::optional<std::uint64_t>(0);
    if ((kind != 'b' && kind != 'm') || !first || !second || !third || !line.empty() ||
        (kind == 'm' && *first >= kMostPathCpus))
      return fail(ErrorKind::protocol,
                  fmt::format("line {} is neither a block nor a mark", number));
    if (kind == 'b') {
      out.blocks.push_back({before + *first, *second, *third});
      before += *first;
      continue;
    }
    if (out.marks.size() <= *first) out.marks.resize(*first + 1);
    out.marks[*first].push_back(*second);
  }
  return out;
}

}  // namespace ktrial::trial
