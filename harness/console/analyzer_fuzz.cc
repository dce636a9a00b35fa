// Any bytes, cut anywhere: no crash, bounded findings, and the cut changes nothing.
#include <cstdint>
#include <cstdlib>

#include "harness/console/analyzer.h"

using ktrial::console::Analyzer;
using ktrial::console::Finding;

namespace {

bool same(const Finding& a, const Finding& b) {
  return a.title == b.title && a.culprit == b.culprit && a.first_line == b.first_line &&
         a.last_line == b.last_line && a.excerpt == b.excerpt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view log(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = size == 0 ? 0 : data[0] % size;
  Analyzer whole, pieces;
  whole.feed(log);
  whole.finish();
  pieces.feed(log.substr(0, cut));
  pieces.feed(log.substr(cut));
  pieces.finish();
  if (whole.lines() != pieces.lines() || whole.last_kernel_line() != pieces.last_kernel_line() ||
      whole.findings().size() != pieces.findings().size())
    std::abort();
  for (std::size_t i = 0; i < whole.findings().size(); ++i) {
    const Finding& one = whole.findings()[i];
    if (!same(one, pieces.findings()[i])) std::abort();
    if (one.excerpt.size() > 16 * 1024 || one.first_line > one.last_line ||
        one.last_line > whole.lines())
      std::abort();
  }
  return 0;
}
