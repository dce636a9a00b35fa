#include "workloads/common/arguments.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace ktrial::workload {
namespace {

constexpr double kMaxDuration = 86400 * 7;  // seconds

template <typename T>
bool read_number(std::string_view text, T& into) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  into = value;
  return true;
}

bool assign(const Integer& p, std::string_view text) {
  std::int64_t value = 0;
  if (!read_number(text, value) || value < p.min || value > p.max) return false;
  *p.value = value;
  return true;
}
bool assign(const Boolean& p, std::string_view text) {
  if (text != "true" && text != "false") return false;
  *p.value = text == "true";
  return true;
}
bool assign(const Choice& p, std::string_view text) {
  if (std::find(p.choices.begin(), p.choices.end(), text) == p.choices.end()) return false;
  *p.value = text;
  return true;
}

void describe(const Integer& p) {
  std::printf("=%lld  (%lld..%lld)\n", static_cast<long long>(*p.value),
              static_cast<long long>(p.min), static_cast<long long>(p.max));
}
void describe(const Boolean& p) { std::printf("=%s  (true|false)\n", *p.value ? "true" : "false"); }
void describe(const Choice& p) {
  std::printf("=%s  (", p.value->c_str());
  for (const std::string& c : p.choices)
    std::printf("%s%s", &c == &p.choices.front() ? "" : "|", c.c_str());
  std::printf(")\n");
}

[[noreturn]] void usage(std::string_view argument, const char* problem,
                        const std::vector<Parameter>& parameters) {
  std::printf("%.*s: %s; it takes --duration=SECONDS and\n", static_cast<int>(argument.size()),
              argument.data(), problem);
  for (const Parameter& p : parameters) {
    std::printf("  --%.*s", static_cast<int>(p.name.size()), p.name.data());
    std::visit([](const auto& kind) { describe(kind); }, p.kind);
  }
  std::fflush(stdout);
  std::exit(kCannotRun);
}

std::atomic<void (*)()> undo_at_end{nullptr};

[[noreturn]] void end(int status) {
  std::printf("\n");
  std::fflush(stdout);
  if (void (*undo)() = undo_at_end.exchange(nullptr); undo != nullptr) undo();
  _exit(status);
}

}  // namespace

void on_sudden_end(void (*undo)()) { undo_at_end = undo; }

double parse_arguments(int argc, char** argv, const std::vector<Parameter>& parameters) {
  double duration_s = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::size_t equals = argument.find('=');
    if (!argument.starts_with("--") || equals == argument.npos)
      usage(argument, "is not --key=value", parameters);
    const std::string_view key = argument.substr(2, equals - 2);
    const std::string_view value = argument.substr(equals + 1);
    if (key == "duration") {
      if (!read_number(value, duration_s) || !std::isfinite(duration_s) || duration_s < 0 ||
          duration_s > kMaxDuration)
        usage(argument, "is not a number of seconds, 0 to 604800", parameters);
      continue;
    }
    auto p = std::find_if(parameters.begin(), parameters.end(),
                          [&](const Parameter& it) { return it.name == key; });
    if (p == parameters.end()) usage(argument, "unknown parameter", parameters);
    if (!std::visit([&](const auto& kind) { return assign(kind, value); }, p->kind))
      usage(argument, "bad value", parameters);
  }
  return duration_s;
}

void broken(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::printf("invariant broken: ");
  std::vprintf(format, arguments);
  end(kBroken);
}

void cannot_run(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::printf("cannot run here: ");
  std::vprintf(format, arguments);
  end(kCannotRun);
}

}  // namespace ktrial::workload
