#include "harness/cli/display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "harness/base/file.h"
#include "harness/cli/output.h"
#include "results/report/report.h"

namespace ktrial::cli {
namespace {

constexpr std::size_t kMaxUnfinished = 64u << 10;  // bytes of a line of output

std::string trial_ended(const run::TrialEnded& ended) {
  std::string why = ended.title.empty() ? ended.reason : ended.title;
  if (ended.outcome == results::Outcome::pass) why.clear();
  return fmt::format("{} after {:.1f} s{}{}", name(ended.outcome), ended.duration_s,
                     why.empty() ? "" : ": ", why);
}

std::string progress_text(const run::Progress& progress) {
  return fmt::format("{}{} {}", progress.done,
                     progress.total != 0 ? fmt::format("/{}", progress.total) : "", progress.text);
}

// What is said of a whole line's worth; empty: nothing.
std::string text_of(const run::What& what) {
  if (const auto* step = std::get_if<run::Step>(&what)) return step->text;
  if (const auto* report = std::get_if<run::Reported>(&what))
    return "the kernel reports: " + report->title;
  if (const auto* ended = std::get_if<run::TrialEnded>(&what)) return trial_ended(*ended);
  return "";
}

std::string of_trial(const std::optional<int>& trial) {
  return trial ? fmt::format("trial {}: ", *trial) : "";
}

}  // namespace

void Board::begin(JobNumber job, const std::string& label) { jobs_[job].label = label; }
void Board::end(JobNumber job) { jobs_.erase(job); }

void Board::take(JobNumber job, const run::Event& event) {
  Row& row = jobs_[job];
  row.begun = true;
  row.trial = event.trial;
  if (const auto* progress = std::get_if<run::Progress>(&event.what))
    row.now = progress_text(*progress);
  else if (const auto* building = std::get_if<run::Building>(&event.what))
    row.now = fmt::format("building: {} {}", building->step, building->done);
  else if (std::string text = text_of(event.what); !text.empty())
    row.now = std::move(text);
}

std::vector<std::string> Board::rows(std::size_t width, std::size_t height) const {
  std::vector<std::string> out;
  std::size_t hidden = 0;
  for (const auto& [job, row] : jobs_) {
    if (!row.begun) continue;  // it waits
    if (out.size() + 1 >= height && jobs_.size() > height) {
      ++hidden;
      continue;
    }
    const std::string text = fmt::format("[{}] {}{}{}{}", job, results::printable(row.label),
                                         row.label.empty() ? "" : ": ", of_trial(row.trial),
                                         results::printable(row.now));
    out.push_back(text.substr(0, width > 1 ? width - 1 : 1));
  }
  if (hidden > 0) out.push_back(fmt::format("... and {} more jobs", hidden));
  return out;
}

Display::Display(const Options& options)
    : options_(options), terminal_(::isatty(STDERR_FILENO) != 0) {}

void Display::line(const std::string& text) {
  erase();
  to_stderr("ktrial: {}\n", results::printable(text));
  draw();
}

void Display::begin(JobNumber job, const std::string& label) {
  board_.begin(job, label);
  if (!terminal_ && !label.empty()) line(fmt::format("[{}] {}", job, label));
}

void Display::say(JobNumber job, const run::Event& event, const std::string& text) {
  line((options_.several ? fmt::format("[{}] ", job) : "") + of_trial(event.trial) + text);
}

void Display::hear(JobNumber job, const run::Event& event) {
  if (options_.several) board_.take(job, event);
  if (const auto* output = std::get_if<run::Output>(&event.what)) return pass(job, *output);
  if (!options_.several) {
    if (const auto* building = std::get_if<run::Building>(&event.what)) {
      erase();
      bar_({.step = building->step,
            .detail = building->detail,
            .done = building->done,
            .expected = building->expected,
            .elapsed = building->elapsed,
            .left = building->left});
      return;
    }
    if (const auto* progress = std::get_if<run::Progress>(&event.what))
      return live(progress_text(*progress));
  }
  const std::string text = text_of(event.what);
  // Of several jobs on a terminal the rows show the steps; what stays is what came of them.
  const bool passing =
      options_.several && terminal_ && std::holds_alternative<run::Step>(event.what);
  if (!text.empty() && !passing) return say(job, event, text);
  erase();
  draw();
}

void Display::end(JobNumber job, const std::string& text) {
  for (const int stream : {0, 1})
    if (!unfinished_[stream][job].empty())
      pass(job, {stream == 0 ? wire::Stream::out : wire::Stream::err, "\n"});
  board_.end(job);
  if (!text.empty()) return line(fmt::format("[{}] {}", job, text));
  erase();
  draw();
}

void Display::pass(JobNumber job, const run::Output& output) {
  if (!options_.pass_output) return;
  erase();
  const bool out = output.stream == wire::Stream::out;
  const int fd = out && !options_.output_to_stderr ? STDOUT_FILENO : STDERR_FILENO;
  // A reader that went away is no reason to stop a trial.
  if (!options_.several) {
    (void)write_all(fd, output.bytes);
    return;
  }
  // Whole lines only: those of several jobs would mix.
  std::string& text = unfinished_[out ? 0 : 1][job];
  text += output.bytes;
  const std::size_t end = text.size() > kMaxUnfinished ? text.size() : text.rfind('\n') + 1;
  std::string lines;
  for (std::size_t at = 0; at < end;) {
    const std::size_t next = std::min(text.find('\n', at), end - 1) + 1;
    lines += fmt::format("[{}] ", job) + text.substr(at, next - at);
    at = next;
  }
  text.erase(0, end);
  (void)write_all(fd, lines);
  draw();
}

void Display::live(const std::string& text) {
  if (!terminal_) return;
  to_stderr("\r\033[Kktrial:   {}", results::printable(text));
  drawn_ = 1;
}

void Display::erase() {
  bar_.done();
  if (drawn_ == 0) return;
  if (options_.several)
    to_stderr("\033[{}A\033[J", drawn_);
  else
    to_stderr("\r\033[K");
  drawn_ = 0;
}

void Display::draw() {
  if (!options_.several || !terminal_) return;
  winsize size{};
  ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  const auto rows = board_.rows(size.ws_col > 0 ? size.ws_col : 80,
                                std::max<std::size_t>(2, size.ws_row > 0 ? size.ws_row / 2 : 12));
  for (const std::string& row : rows) to_stderr("{}\n", row);
  drawn_ = rows.size();
}

void Display::done() {
  erase();
  terminal_ = false;
}

}  // namespace ktrial::cli
