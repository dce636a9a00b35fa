#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "harness/subtests/subtests.h"

// Whatever the bytes, and however they are cut: the same results, within bounds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrial::subtests;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto source = static_cast<Source>(data[0] % 3);
  Parser whole(source), cut(source);
  whole.feed(text);
  const std::size_t at = data[0] % size;
  cut.feed(text.substr(0, std::min(at, text.size())));
  cut.feed(text.substr(std::min(at, text.size())));
  const Summary a = whole.summary(), b = cut.summary();
  if (a.tests != b.tests || a.missing != b.missing) std::abort();
  if (a.tests.size() > kMaxTests + 1 || a.running != b.running) std::abort();
  std::set<std::string> names;
  for (const Subtest& test : a.tests) {
    if (test.name.size() > kMaxName || test.reason.size() > kMaxReason) std::abort();
    if (!names.insert(test.name).second) std::abort();
  }
  return 0;
}
