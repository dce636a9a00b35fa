#include "harness/introspect/symbol_cache.h"

#include <cstring>

#include "harness/base/file.h"

namespace ktrial::introspect {
namespace fs = std::filesystem;

namespace {

constexpr char kMagic[8] = {'k', 't', 's', 'y', 'm', 's', '0', '1'};
constexpr std::uint64_t kImageMap = 0xffffffff80000000;
constexpr std::size_t kLongestFile = 256u << 20;

struct Header {
  char magic[8];
  std::uint64_t count;
  std::uint64_t payload;   // bytes after the header
  std::uint64_t checksum;  // of the payload
};

// FNV-1a over words (http://www.isthe.com/chongo/tech/comp/fnv/): against torn
// and rotten files, not against forgers.
std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min<std::size_t>(8, bytes.size() - at));
    hash = (hash ^ word) * 0x100000001b3;
    hash ^= hash >> 29;
  }
  return hash;
}

// Only the image moves; below it lie absolute and per-CPU symbols.
std::uint64_t moved(std::uint64_t address, std::uint64_t by) {
  return address >= kImageMap ? address + by : address;
}

fs::path file_of(const fs::path& folder, const std::string& build_id) {
  return folder / (build_id + ".symbols");
}

}  // namespace

std::string pack_symbols(std::span<const Symbol> symbols, std::uint64_t kernel_offset) {
  std::string payload;
  for (const Symbol& symbol : symbols) {
    const std::uint64_t address = moved(symbol.address, 0 - kernel_offset);
    payload.append(reinterpret_cast<const char*>(&address), sizeof address);
    payload.push_back(symbol.type);
    payload.append(symbol.name.c_str(), symbol.name.size() + 1);
  }
  Header header{{}, symbols.size(), payload.size(), checksum(payload)};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + payload;
}

std::optional<std::vector<Symbol>> unpack_symbols(std::string_view bytes,
                                                  std::uint64_t kernel_offset) {
  Header header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes.remove_prefix(sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.payload != bytes.size() ||
      header.count > bytes.size() || header.checksum != checksum(bytes))
    return std::nullopt;
  std::vector<Symbol> out;
  out.reserve(header.count);
  while (!bytes.empty()) {
    Symbol symbol;
    constexpr std::size_t kFixed = sizeof symbol.address + 1;
    const std::size_t end = bytes.find('\0', kFixed);
    if (bytes.size() <= kFixed || end == bytes.npos) return std::nullopt;
    std::memcpy(&symbol.address, bytes.data(), sizeof symbol.address);
    symbol.address = moved(symbol.address, kernel_offset);
    symbol.type = bytes[kFixed - 1];
    symbol.name = bytes.substr(kFixed, end - kFixed);
    out.push_back(std::move(symbol));
    bytes.remove_prefix(end + 1);
  }
  if (out.size() != header.count) return std::nullopt;
  return out;
}

std::optional<std::vector<Symbol>> load_symbols(const fs::path& folder, const std::string& build_id,
                                                std::uint64_t kernel_offset) {
  const auto bytes = read_file(file_of(folder, build_id), kLongestFile);
  if (!bytes) return std::nullopt;
  return unpack_symbols(*bytes, kernel_offset);
}

Status save_symbols(const fs::path& folder, const std::string& build_id,
                    std::span<const Symbol> symbols, std::uint64_t kernel_offset) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail_errno("create " + folder.string(), error.value());
  return write_file_atomically(file_of(folder, build_id), pack_symbols(symbols, kernel_offset));
}

}  // namespace ktrial::introspect
