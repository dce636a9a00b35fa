// Console bytes → lines → findings. Pure and incremental, in bounded memory
// whatever the guest prints.
//
// The formats are those of Linux 5.10 to 7.x (kernel/printk, kernel/watchdog.c,
// kernel/rcu/tree_stall.h, lib/nmi_backtrace.c, mm/kasan, ...) and of older
// reports; titles follow the public grammar of syzbot, so that they compare with
// reports elsewhere. `culprit` is ktrial's own judgement, see culprit.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/kind.h"

namespace ktrial::console {

struct Finding {
  std::string title;    // "BUG: soft lockup in F"
  Kind kind = Kind::other;
  std::string culprit;  // the function at fault, not its victim; empty: unknown
  std::optional<int> cpu;
  std::string task;              // "comm/pid"; may be empty
  std::uint64_t first_line = 0;  // 1-based, in the stream that was fed
  std::uint64_t last_line = 0;
  bool corrupted = false;  // cut short or interleaved beyond use
  int severity = 0;        // higher is worse; see severity()
  std::string excerpt;     // the report's cleaned text, at most 16 KiB
};

// A symptom of the environment, never a kernel bug alone: an unstable clock, a
// slow NMI handler, dropped printk messages.
struct EnvironmentMark {
  std::uint64_t line = 0;
  std::string text;
};

class Analyzer {
 public:
  Analyzer();
  Analyzer(Analyzer&&) noexcept;
  ~Analyzer();

  // A finding appears as soon as its first line was seen; its function, culprit
  // and excerpt get better as more comes, until finish() or another report.
  void feed(std::string_view bytes);
  void finish();

  // In console order; bounded, see dropped().
  const std::vector<Finding>& findings() const;
  std::uint64_t dropped() const;  // findings beyond the bound
  std::uint64_t lines() const;
  // A line with printk's time stamp was seen: proof that the kernel runs.
  bool saw_kernel_line() const;
  std::string last_kernel_line() const;
  const std::vector<EnvironmentMark>& environment() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ktrial::console
