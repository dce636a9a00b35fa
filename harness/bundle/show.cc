#include "harness/bundle/show.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/introspect/kernel.h"

namespace ktrial::bundle {

Result<std::uint64_t> read_word(const introspect::AddressSpace& memory,
                                const vm::Exact::Term& word) {
  std::uint64_t at = word.at, value = 0;
  for (const std::uint64_t offset : word.offsets)
    at = offset + KTRIAL_TRY(introspect::read_value<std::uint64_t>(memory, at));
  KTRIAL_TRY(memory.read(at, std::as_writable_bytes(std::span(&value, 1)).first(word.bytes)));
  return value;
}

Result<std::string> text_of_words(const std::vector<std::string>& words, const Map& map,
                                  unsigned cpus, const introspect::AddressSpace& memory) {
  std::string out;
  std::size_t width = 0;
  for (const std::string& text : words) width = std::max(width, text.size());
  for (const std::string& text : words) {
    const auto parsed = KTRIAL_TRY(parse_word_of_memory(text));
    const auto word = resolve(parsed, map, cpus);
    const auto value = word ? read_word(memory, *word) : std::unexpected(word.error());
    out += value ? fmt::format("{:<{}}  {:#x} ({})\n", text, width, *value, *value)
                 : fmt::format("{:<{}}  cannot be read: {}\n", text, width, value.error().message);
  }
  return out;
}

Result<std::string> show(const std::vector<std::string>& words, const Map& map, unsigned cpus,
                         vm::Vm& vm, std::chrono::milliseconds patience,
                         const std::filesystem::path& cache) {
  const auto kernel = KTRIAL_TRY(introspect::Kernel::open(
      KTRIAL_TRY(introspect::RamFile::open(KTRIAL_TRY(vm.ram(patience)))), cache));
  return text_of_words(words, map, cpus, *kernel);
}

}  // namespace ktrial::bundle
