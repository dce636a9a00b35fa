// Invariants over hostile reports: how a stream is cut makes no difference, what is told is
// bounded, comes from lines that are there, and no name is a path.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/mail/message.h"
#include "harness/mail/understand.h"

namespace {

using namespace ktrial::mail;

void check(bool ok) {
  if (!ok) std::abort();
}

Understanding read(std::string_view text, std::size_t step) {
  Reader reader;
  reader.begin("report");
  for (std::size_t at = 0; at < text.size(); at += step) reader.feed(text.substr(at, step));
  return reader.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Understanding whole = read(text, size + 1), pieces = read(text, 7);
  check(whole.facts.size() == pieces.facts.size() && whole.facts.size() <= 4096);
  std::uint64_t lines = 1;
  for (const char c : text) lines += c == '\n';
  for (std::size_t i = 0; i < whole.facts.size(); ++i) {
    const Fact& fact = whole.facts[i];
    check(fact.value == pieces.facts[i].value && fact.line == pieces.facts[i].line);
    check(!fact.value.empty() && fact.value.size() <= 16384 && fact.line <= lines);
  }
  for (const Source& source : whole.sources) check(source.name.find('/') == source.name.npos);
  check(harmless_name(text).find('/') == std::string::npos);
  return 0;
}
