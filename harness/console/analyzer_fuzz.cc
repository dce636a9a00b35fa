// Invariants over hostile input: pieces make no difference, lines are in bounds, memory is bounded.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/console/analyzer.h"

namespace {

using ktrial::console::Analyzer;
using ktrial::console::Finding;

void check(bool ok) {
  if (!ok) std::abort();
}

bool same(const Finding& a, const Finding& b) {
  return a.title == b.title && a.kind == b.kind && a.culprit == b.culprit && a.cpu == b.cpu &&
         a.task == b.task && a.first_line == b.first_line && a.last_line == b.last_line &&
         a.corrupted == b.corrupted && a.severity == b.severity && a.excerpt == b.excerpt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Analyzer whole;
  whole.feed(text);
  whole.finish();
  Analyzer pieces;
  for (std::size_t at = 0, length = 1; at < size; at += length, length = length * 7 % 61)
    pieces.feed(text.substr(at, length));
  pieces.finish();
  check(whole.lines() == pieces.lines());
  check(whole.saw_kernel_line() == pieces.saw_kernel_line());
  check(whole.last_kernel_line() == pieces.last_kernel_line());
  check(whole.environment().size() == pieces.environment().size());
  check(whole.findings().size() == pieces.findings().size());
  check(whole.findings_not_kept() == pieces.findings_not_kept());
  check(whole.findings().size() <= Analyzer::kMaxFindings);
  for (std::size_t i = 0; i < whole.findings().size(); ++i) {
    const Finding& finding = whole.findings()[i];
    check(same(finding, pieces.findings()[i]));
    check(finding.first_line >= 1 && finding.first_line <= finding.last_line &&
          finding.last_line <= whole.lines());
    check(!finding.title.empty() && finding.title.size() <= 1024);
    check(finding.excerpt.size() <= 16 * 1024);
  }
  return 0;
}
