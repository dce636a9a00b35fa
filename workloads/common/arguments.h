// A workload's command line: `--duration=SECONDS` and the workload's own
// `--key=value` parameters, the same that its workload.toml declares.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ktrial::workload {

// Exit statuses. Everything else means that the workload itself broke.
inline constexpr int kHealthy = 0;
inline constexpr int kBroken = 1;  // an invariant does not hold; a line on stdout says which
inline constexpr int kCannotRun = 2;

struct Integer {
  std::int64_t* value;  // holds the default
  std::int64_t min, max;
};
struct Boolean {
  bool* value;
};
struct Choice {
  std::string* value;
  std::vector<std::string> choices;
};
struct Parameter {
  std::string_view name;
  std::variant<Integer, Boolean, Choice> kind;
};

// Fills the parameters in. On an unknown key or a bad value: says so, lists the
// parameters with their defaults and ranges, and exits with kCannotRun.
// Returns the duration in seconds; 0: the default amount of work.
double parse_arguments(int argc, char** argv, const std::vector<Parameter>& parameters);

// One line on stdout, then exit with kBroken or kCannotRun. Before that, what on_sudden_end() was
// given is called: a machine that is left as no guest may be would be judged for it.
[[noreturn]] void broken(const char* format, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void cannot_run(const char* format, ...) __attribute__((format(printf, 1, 2)));

void on_sudden_end(void (*undo)());

}  // namespace ktrial::workload
