#include "harness/console/analyzer.h"

#include <algorithm>
#include <utility>

#include "harness/console/environment.h"
#include "harness/console/event.h"
#include "harness/console/line.h"
#include "harness/console/prefilter.h"
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

class Analyzer::Impl {
 public:
  explicit Impl(std::vector<Kind> fail_on) : fail_on_(std::move(fail_on)) {}

  void feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      if (end == bytes.npos) {
        keep_partial(bytes);
        break;
      }
      if (started_) {
        keep_partial(bytes.substr(0, end));
        end_line();
        bytes.remove_prefix(end + 1);
        continue;
      }
      bytes.remove_prefix(feed_lines(bytes.substr(0, block_end(bytes))));
    }
    refresh();
  }

  void finish() {
    if (started_) end_line();
    while (!open_.empty()) close(0);
  }

  // The end of the whole lines at the front of `bytes`, about a block of them, at least one.
  static std::size_t block_end(std::string_view bytes) {
    constexpr std::size_t kBlock = 256 * 1024;
    if (bytes.size() > kBlock) {
      if (const auto last = bytes.rfind('\n', kBlock - 1); last != bytes.npos) return last + 1;
      return bytes.find('\n', kBlock - 1) + 1;
    }
    return bytes.rfind('\n') + 1;
  }

  // Takes whole lines and returns their size. Only lines of interest are read one by one, and all
  // lines while a report is open.
  std::size_t feed_lines(std::string_view text) {
    find_candidates(text, !saw_kernel, candidates_);
    std::size_t next = 0;
    std::size_t done = 0;
    while (done < text.size()) {
      if (open_.empty()) {
        while (next < candidates_.size() && candidates_[next] < done) ++next;
        if (next == candidates_.size()) {
          skip_lines(text.substr(done));
          break;
        }
        const std::size_t candidate = candidates_[next];
        const std::size_t before = candidate == 0 ? text.npos : text.rfind('\n', candidate - 1);
        const std::size_t line = before == text.npos || before + 1 < done ? done : before + 1;
        skip_lines(text.substr(done, line - done));
        done = line;
      }
      const std::size_t end = text.find('\n', done);
      keep_partial(text.substr(done, end - done));
      end_line();
      done = end + 1;
    }
    return text.size();
  }

  // Lines that start no report while none is open.
  void skip_lines(std::string_view text) {
    lines += count_newlines(text);
    if (!saw_kernel) return;  // else a stamp would have been found
    for (std::size_t at = text.rfind('['); at != text.npos; at = text.rfind('[', at - 1)) {
      if (is_stamp(text, at)) {
        const std::size_t before = text.rfind('\n', at);
        const std::size_t start = before == text.npos ? 0 : before + 1;
        std::size_t size = text.find('\n', at) - start;
        clean_line(text.substr(start, std::min(size, kMaxLine)), clean_);
        parse_line(clean_, lines, segments_);
        if (segments_.back().kernel) {
          last_kernel.assign(segments_.back().body.substr(0, 1024));
          return;
        }
      }
      if (at == 0) return;
    }
  }

  void keep_partial(std::string_view piece) {
    started_ = true;
    if (partial_.size() < kMaxLine) partial_.append(piece.substr(0, kMaxLine - partial_.size()));
  }

  void end_line() {
    clean_line(partial_, clean_);
    partial_.clear();
    started_ = false;
    parse_line(clean_, ++lines, segments_);
    for (const Line& line : segments_) on_line(line);
    for (std::size_t i = 0; i < open_.size();)
      if (open_[i].report.ended())
        close(i);
      else
        ++i;
  }

  void on_line(const Line& line) {
    if (line.kernel) {
      saw_kernel = true;
      last_kernel.assign(line.body.substr(0, 1024));
    }
    note_environment(line);
    if (is_boot(line))
      while (!open_.empty()) close(0);
    auto head = match_head(trim_left(line.body));
    if (head.has_value() && believable(*head->rule, line)) {
      const auto whole = std::ranges::find_if(
          open_, [&](const Open& open) { return is_part_of(open.report, *head, line); });
      if (whole == open_.end()) {
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
          (open.report.stall() && (reader->report.stall() || !open.report.complete()))) {
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
    if (programs && !open_.empty()) return line.kernel;
    return line.kernel || programs || (!saw_kernel && !rule.stamped);
  }

  void open(Head head, const Line& line) {
    const bool stall = head.rule->pick == Pick::stall;
    const bool brief = is_brief(*head.rule) && !open_.empty();
    for (std::size_t i = 0; i < open_.size();) {
      const Report& report = open_[i].report;
      const bool stays =
          brief ||
          (report.stall() && (stall || !report.complete())) || !report.same_writer(line);
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
  std::uint64_t lines = 0, not_kept = 0;
  bool saw_kernel = false;
  std::string last_kernel;

 private:
  std::string partial_, clean_;
  std::vector<Line> segments_;
  std::vector<std::uint32_t> candidates_;
  bool started_ = false;
  std::vector<Open> open_;
  std::vector<Kind> fail_on_;
};

Analyzer::Analyzer(std::vector<Kind> fail_on)
    : impl_(std::make_unique<Impl>(std::move(fail_on))) {}
Analyzer::~Analyzer() = default;
Analyzer::Analyzer(Analyzer&&) noexcept = default;
Analyzer& Analyzer::operator=(Analyzer&&) noexcept = default;

void Analyzer::feed(std::string_view bytes) { impl_->feed(bytes); }
void Analyzer::finish() { impl_->finish(); }
const std::vector<Finding>& Analyzer::findings() const { return impl_->findings; }
const std::vector<Finding>& Analyzer::notes() const { return impl_->notes; }
std::uint64_t Analyzer::findings_not_kept() const { return impl_->not_kept; }
std::uint64_t Analyzer::lines() const { return impl_->lines; }
bool Analyzer::saw_kernel_line() const { return impl_->saw_kernel; }
std::string Analyzer::last_kernel_line() const { return impl_->last_kernel; }
const std::vector<EnvironmentMark>& Analyzer::environment() const { return impl_->environment; }

}  // namespace ktrial::console
