#include "harness/bundle/console_diff.h"

#include "harness/base/re2.h"
#include "harness/base/text.h"

namespace ktrial::bundle {
namespace {

constexpr std::size_t kMostLine = 1024;

// One log, line by line.
class Lines {
 public:
  explicit Lines(std::string_view log) : rest_(log) {}
  // The next line that is something; false: the end.
  bool next() {
    for (;;) {
      ++number;
      const auto taken = take_line(rest_);
      raw = taken ? trimmed(taken->substr(0, kMostLine), "\r") : std::string_view();
      if (!taken) return false;
      text = normalised(raw);
      if (!text.empty()) return true;
    }
  }
  std::uint64_t number = 0;
  std::string_view raw;
  std::string text;

 private:
  std::string_view rest_;
};

}  // namespace

std::string normalised(std::string_view line) {
  // In this order: a stamp, the thread or CPU that printed, what a terminal is told; then values.
  // A number of six digits is one that was measured.
  static const RE2 kEscape("\x1b(\\[[0-9;?]*[A-Za-z]|.)"), kStamp(R"(^(<\d+>)?\[ *\d+\.\d+\] ?)"),
      kCaller(R"(^\[ *[TC]\d+\] ?)"), kAddress(R"(\b(0x)?[0-9a-fA-F]{8,16}\b)"),
      kHex(R"(\b0x[0-9a-fA-F]+\b)"), kMeasured(R"(\b(lpj|tsc_early_khz)=\d+)"),
      kReal(R"(\b(\d+\.\d+|\d{6,})\b)"),
      kAmount(R"(\b\d+ ?(ns|us|usecs|usec|ms|msecs|msec|s|secs|KHz|kHz|MHz|Hz)\b)");
  std::string out(line.substr(0, kMostLine));
  RE2::GlobalReplace(&out, kEscape, "");
  RE2::Replace(&out, kStamp, "");
  RE2::Replace(&out, kCaller, "");
  RE2::GlobalReplace(&out, kMeasured, "\\1=N");
  RE2::GlobalReplace(&out, kAddress, "ADDRESS");
  RE2::GlobalReplace(&out, kHex, "ADDRESS");
  RE2::GlobalReplace(&out, kReal, "N");
  RE2::GlobalReplace(&out, kAmount, "N \\1");
  return std::string(trimmed(out));
}

std::optional<Parting> first_difference(std::string_view a, std::string_view b) {
  Lines one(a), other(b);
  for (;;) {
    const bool more = one.next(), other_more = other.next();
    if (!more && !other_more) return std::nullopt;
    if (more && other_more && one.text == other.text) continue;
    return Parting{one.number, other.number, std::string(one.raw), std::string(other.raw)};
  }
}

}  // namespace ktrial::bundle
