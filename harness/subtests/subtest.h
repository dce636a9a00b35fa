// What a test program said of its tests.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::subtests {

enum class Result { pass, fail, skip, crash, timeout };
std::string_view name(Result result);

struct Subtest {
  std::string name;  // "suite/test", no two the same ("x", "x (2)"); at most kMaxName bytes
  Result result = Result::pass;
  std::string reason;             // a directive's or the test's own words; may be empty
  std::optional<double> seconds;  // that it took, where it says so
  bool operator==(const Subtest&) const = default;
};
bool is_bad(Result result);  // fail, crash, timeout

enum class Format { none, tap, igt, ltp };

struct Summary {
  Format format = Format::none;
  std::vector<Subtest> tests;  // leaves only, in the order of their results
  std::size_t not_kept = 0;    // beyond kMaxTests
  std::size_t missing = 0;     // planned, but without a result; the running one is listed instead
  std::string running;         // what ran when the output ended; listed as crashed
  std::string bailed_out;      // "Bail out!": why the program gave up
};

inline constexpr std::size_t kMaxTests = 20000, kMaxName = 256, kMaxReason = 512;
inline std::string cut(std::string_view text, std::size_t limit) {
  return std::string(text.substr(0, limit));
}

}  // namespace ktrial::subtests
