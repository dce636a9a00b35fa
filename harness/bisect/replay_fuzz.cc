// Invariants over any text: an error that names the file, or a log that prints and parses to the
// same events; what was understood is understood alone; parsing never reads a partial line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/bisect/replay.h"

namespace {

using namespace ktrial::bisect;

void check(bool ok) {
  if (!ok) std::abort();
}

std::string print(const Log& log) {
  std::string out = print_header(log.header);
  for (const Event& event : log.events) out += print_event(event);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto log = parse_log(text, "f");
  if (!log) {
    check(log.error().kind == ktrial::ErrorKind::usage && log.error().message.starts_with("f:"));
    return 0;
  }
  check(log->events.size() == log->lines.size() && log->valid_bytes <= size);
  check(log->valid_bytes == 0 || text[log->valid_bytes - 1] == '\n');
  const auto cut = parse_log(text.substr(0, log->valid_bytes), "f");
  check(cut && print(*cut) == print(*log));
  const auto again = parse_log(print(*log), "f");
  check(again && print(*again) == print(*log));
  return 0;
}
