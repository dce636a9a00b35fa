#include "harness/mail/unpack.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <memory>

namespace ktrial::mail {

bool is_compressed(std::string_view bytes) {
  using namespace std::string_view_literals;
  static constexpr std::array kMagics = {"\x1f\x8b"sv, "\xfd\x37zXZ\0"sv, "\x28\xb5\x2f\xfd"sv,
                                         "BZh"sv};
  return std::ranges::any_of(kMagics, [&](std::string_view m) { return bytes.starts_with(m); });
}

Unpacked unpack(std::string_view bytes, std::size_t limit) {
  Unpacked out;
  const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(),
                                                                      archive_read_free);
  // Never all filters: some start other programs.
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_filter_bzip2(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) < ARCHIVE_WARN) {
    out.cut = true;
    return out;
  }
  std::array<char, 65536> buffer;
  for (;;) {
    const la_ssize_t n = archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (n == 0) return out;
    if (n < 0 || out.bytes.size() == limit) {
      out.cut = true;
      return out;
    }
    out.bytes.append(buffer.data(),
                     std::min(static_cast<std::size_t>(n), limit - out.bytes.size()));
  }
}

}  // namespace ktrial::mail
