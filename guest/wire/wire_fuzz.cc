// Invariants: how the bytes are split does not matter; a message has exactly
// one encoding, so what was decoded encodes to the bytes it came from.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "guest/wire/wire.h"

namespace wire = ktrial::wire;

namespace {

struct Outcome {
  std::string encoded;
  std::string error;
  bool mid_frame = false;
  bool operator==(const Outcome&) const = default;
};

Outcome decode(std::string_view bytes, std::size_t step) {
  wire::Decoder decoder;
  Outcome outcome;
  while (!bytes.empty()) {
    decoder.feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    while (auto message = decoder.next()) outcome.encoded += wire::encode(*message);
  }
  outcome.error = decoder.error();
  outcome.mid_frame = decoder.mid_frame();
  return outcome;
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] % 32 + 1;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const Outcome whole = decode(bytes, bytes.size());
  require(whole == decode(bytes, step));
  require(bytes.starts_with(whole.encoded));
  require(!whole.error.empty() || whole.mid_frame == (whole.encoded.size() < bytes.size()));

  const Outcome again = decode(whole.encoded, whole.encoded.size());
  require(again.error.empty() && !again.mid_frame && again.encoded == whole.encoded);

  // The header is seldom guessed: also try the bytes as payload of each type.
  std::string framed("KTRL\1\0\0\0\0\0\0\0", 12);
  const std::size_t length = std::min<std::size_t>(bytes.size(), wire::kMaxPayload);
  framed[6] = static_cast<char>(data[0] % std::variant_size_v<wire::Message> + 1);
  for (int i = 0; i < 4; ++i) framed[8 + i] = static_cast<char>(length >> (8 * i));
  framed += bytes.substr(0, length);
  const Outcome payload = decode(framed, step);
  require(payload.error.empty() ? payload.encoded == framed : payload.encoded.empty());
  return 0;
}
