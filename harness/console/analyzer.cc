#include "harness/console/analyzer.h"

#include <algorithm>
#include <utility>

#include "harness/console/environment.h"
#include "harness/console/event.h"
#include "harness/console/line_stream.h"
#include "harness/console/report.h"

namespace ktrial::console {
namespace {
constexpr std::size_t kMaxOpen = 4;
constexpr std::size_t kMaxMarks = 256;

std::string_view trim_left(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  return s;
}

struct Open {
  Report report;
  std::size_t finding;  // its index
  bool dirty;
};
}  // namespace

class Analyzer::Impl final : public LineReader {
 public:
  explicit Impl(std::vector<Kind> fail_on) : fail_on_(std::move(fail_on)) {}

  void feed(std::string_view bytes) {
    stream.feed(bytes, *this);
    refresh();
  }

  void finish() {
    stream.finish(*this);
    while (!open_.empty()) close(0);
  }

  bool wants_every_line() const override { return !open_.empty(); }

  void read(const Line& line) override {
    on_line(line);
    for (std::size_t i = 0; i < open_.size();)
      if (open_[i].report.ended())
        close(i);
      else
        ++i;
  }

  void on_line(const Line& line) {
    note_environment(line);
    const Boots::Seen boot = boots_.read(line);
    if (boot != Boots::Seen::nothing) {
      while (!open_.empty()) close(0);
      kill_awaited_ = false;
    }
    if (boot == Boots::Seen::unexpected_reboot)
      open({.rule = &reboot_rule(), .title = std::string(reboot_rule().title)}, line);
    auto head = match_head(trim_left(line.body));
    if (head.has_value() && believable(*head->rule, line)) {
      const auto whole = std::ranges::find_if(
          open_, [&](const Open& open) { return is_part_of(open.report, *head, line); });
      if (whole == open_.end()) {
        if (ends_oom_kill(*head->rule)) return;
        open(std::move(*head), line);
        return;
      }
      whole->report.add(*head, line);
      whole->dirty = true;
      return;
    }
    Open* reader = open_.empty() ? nullptr : &open_.back();
    for (Open& open : open_) {
      if (open.report.same_writer(line) && line.caller_type != 0 &&
          !reader->report.same_writer(line))
        reader = &open;
    }
    for (Open& open : open_)
      if (&open == reader ||
          (open.report.stall() && (reader->report.stall() || !open.report.complete())) ||
          open.report.entangled()) {
        open.report.add(line);
        open.dirty = true;
      }
  }

  void note_environment(const Line& line) {
    const EnvironmentSymptom symptom = environment_symptom(line.body);
    if (symptom == EnvironmentSymptom::none) return;
    const bool dropped = symptom == EnvironmentSymptom::dropped_messages;
    if (dropped)
      for (Open& open : open_) {
        open.report.mark_corrupted();
        open.dirty = true;
      }
    if (environment.size() < kMaxMarks)
      environment.push_back({line.number, std::string(line.body.substr(0, 256)), dropped});
  }

  // Text that user space wrote is no report, except where the report is a program's.
  bool believable(const Rule& rule, const Line& line) const {
    const bool programs = rule.kind == Kind::memory_leak || rule.kind == Kind::test_harness;
    // Where the kernel speaks, the end of any program is no report.
    if (rule.kind == Kind::test_harness && rule.role == Role::other)
      return !stream.envelope().saw_kernel_line();
    if (programs && !open_.empty()) return line.kernel;
    return line.kernel || programs;
  }

  // "invoked oom-killer", some fifty lines, "Killed process": one kill.
  bool ends_oom_kill(const Rule& rule) {
    if (rule.kind != Kind::out_of_memory) return false;
    return std::exchange(kill_awaited_, rule.role == Role::start) && rule.role != Role::start;
  }

  void open(Head head, const Line& line) {
    const bool stall = head.rule->pick == Pick::stall;
    const bool brief = is_brief(*head.rule) && !open_.empty();
    for (std::size_t i = 0; i < open_.size();) {
      Report& report = open_[i].report;
      const bool stays = brief || (report.stall() && (stall || !report.complete())) ||
                         !report.same_writer(line) || report.entangle(line, *head.rule);
      if (stays && open_.size() < kMaxOpen)
        ++i;
      else
        close(i);
    }
    std::vector<Finding>& list = list_for(head.rule->kind);
    if (list.size() >= kMaxFindings) {
      not_kept += &list == &findings;
      return;
    }
    Open added{Report(std::move(head), line), list.size(), false};
    list.push_back(added.report.finding());
    if (!brief) open_.push_back(std::move(added));
  }

  std::vector<Finding>& list_for(Kind kind) {
    return is_note(kind) && std::ranges::find(fail_on_, kind) == fail_on_.end() ? notes : findings;
  }
  void update(const Open& open) {
    list_for(open.report.rule().kind)[open.finding] = open.report.finding();
  }

  void close(std::size_t index) {
    open_[index].report.close(false);
    update(open_[index]);
    open_.erase(open_.begin() + static_cast<long>(index));
  }

  void refresh() {
    for (Open& open : open_)
      if (std::exchange(open.dirty, false)) update(open);
  }

  std::vector<Finding> findings, notes;
  std::vector<EnvironmentMark> environment;
  std::uint64_t not_kept = 0;
  LineStream stream;

 private:
  std::vector<Open> open_;
  Boots boots_;
  bool kill_awaited_ = false;
  std::vector<Kind> fail_on_;
};

Analyzer::Analyzer(std::vector<Kind> fail_on) : impl_(std::make_unique<Impl>(std::move(fail_on))) {}
Analyzer::~Analyzer() = default;
Analyzer::Analyzer(Analyzer&&) noexcept = default;
Analyzer& Analyzer::operator=(Analyzer&&) noexcept = default;

void Analyzer::feed(std::string_view bytes) { impl_->feed(bytes); }
void Analyzer::finish() { impl_->finish(); }
const std::vector<Finding>& Analyzer::findings() const { return impl_->findings; }
const std::vector<Finding>& Analyzer::notes() const { return impl_->notes; }
std::uint64_t Analyzer::findings_not_kept() const { return impl_->not_kept; }
std::uint64_t Analyzer::lines() const { return impl_->stream.lines(); }
bool Analyzer::saw_kernel_line() const { return impl_->stream.envelope().saw_kernel_line(); }
std::string Analyzer::last_kernel_line() const {
  return impl_->stream.envelope().last_kernel_line();
}
bool Analyzer::unknown_wrapping() const {
  return findings().empty() && notes().empty() && impl_->stream.envelope().heard_strays();
}
const std::vector<EnvironmentMark>& Analyzer::environment() const { return impl_->environment; }

}  // namespace ktrial::console
