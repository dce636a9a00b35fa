#include "harness/bundle/show.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/introspect/memory.h"

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

namespace {

// The kernel's image and its map of all memory, as the plugin reaches them: at any instant, before
// the kernel has told anything, too.
class MappedMemory final : public introspect::AddressSpace {
 public:
  MappedMemory(const introspect::PhysicalMemory& memory, const vm::Exact::Tasks& where)
      : memory_(memory), where_(where) {}
  Status read(std::uint64_t address, std::span<std::byte> out) const override {
    if (address >= where_.image)
      return memory_.read(address - where_.image + where_.image_physical, out);
    if (address >= where_.direct_map) return memory_.read(address - where_.direct_map, out);
    return fail(ErrorKind::protocol, "no address of the kernel's image or map of all memory");
  }

 private:
  const introspect::PhysicalMemory& memory_;
  const vm::Exact::Tasks& where_;
};

}  // namespace

Result<std::string> show(const std::vector<std::string>& words, const Map& map, unsigned cpus,
                         vm::Vm& vm, std::chrono::milliseconds patience) {
  const auto ram = KTRIAL_TRY(introspect::RamFile::open(KTRIAL_TRY(vm.ram(patience))));
  return text_of_words(words, map, cpus, MappedMemory(*ram, map.tasks));
}

}  // namespace ktrial::bundle
