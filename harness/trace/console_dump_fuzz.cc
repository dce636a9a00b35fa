// A console log of any content: events lie within bounds, are printable, and read the same from
// the text that is made of them; what is told of them ends.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "harness/trace/console_dump.h"
#include "harness/trace/diff.h"
#include "harness/trace/story.h"
#include "harness/trace/svg_writer.h"

namespace {
void check(bool ok, int line = __builtin_LINE()) {
  if (ok) return;
  std::fprintf(stderr, "invariant of line %d\n", line);
  std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrial::trace;
  const std::string_view log(reinterpret_cast<const char*>(data), size);
  const History history = read_dump(log);
  check(history.moments.empty() || log.find("Dumping ftrace ") != std::string_view::npos);
  check(history.moments.size() <= kMaxEvents);
  for (const Moment& one : history.moments) {
    check(one.cpu < kMaxCpus);
    for (char c : one.event + one.text) check(c >= ' ' && c < 127);
  }
  const std::string text = to_text(history);
  const History again = read_text(text);
  check(again.moments.size() == history.moments.size());
  check(again.missing == history.missing);
  for (std::size_t i = 0; i < again.moments.size(); ++i) {
    const Moment &a = history.moments[i], &b = again.moments[i];
    check(a.cpu == b.cpu && a.ns == b.ns && a.pid == b.pid && a.event == b.event);
  }
  const Diff same = compare(history, {history});
  check(same.only_failing.empty() && same.only_passing.empty() && same.shifted.empty());
  check(tell(history).events == history.moments.size());
  check(to_svg(history, {}, before_stall(history)).size() < 300u << 10);
  read_text(log);  // text of any content, too
  return 0;
}
