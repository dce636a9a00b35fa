#include "harness/cli/campaign_screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "harness/base/text.h"
#include "harness/cli/output.h"
#include "results/report/report.h"

namespace ktrial::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenDraws = 200ms;
constexpr auto kBetweenLines = 60s;
constexpr std::size_t kMostSignatures = 8;

std::string counts(const campaign::Progress& p) {
  const int trials = p.pass + p.fail + p.inconclusive;
  const auto& goal = p.plan->goal;
  const std::string of =
      goal.kind == spec::Goal::Kind::trials
          ? fmt::format("/{}", goal.trials * static_cast<int>(p.plan->cells.size()))
          : "";
  return fmt::format("{}{} trials: {} pass, {} fail, {} inconclusive", trials, of, p.pass, p.fail,
                     p.inconclusive);
}

std::string time_text(const campaign::Progress& p) {
  std::string out = spoken_seconds(p.used_s);
  if (p.plan->budget)
    out += " of " + spoken_seconds(static_cast<double>(p.plan->budget->count()) / 1000);
  if (p.left_s) out += ", about " + spoken_seconds(*p.left_s) + " left";
  return out;
}

}  // namespace

std::vector<std::string> campaign_rows(const campaign::Progress& p, int cores, std::size_t width) {
  std::vector<std::string> out{fmt::format("{}: {}", p.plan->name, time_text(p)),
                               fmt::format("{}; {} running on {} of {} cores", counts(p), p.running,
                                           std::min(p.running_vcpus, cores), cores)};
  std::vector<std::pair<std::string, int>> failures(p.signatures.begin(), p.signatures.end());
  std::ranges::stable_sort(failures, std::greater<>(), &std::pair<std::string, int>::second);
  for (std::size_t i = 0; i < std::min(failures.size(), kMostSignatures); ++i)
    out.push_back(
        fmt::format("  {:>5}  {}", failures[i].second, results::printable(failures[i].first)));
  if (failures.size() > kMostSignatures)
    out.push_back(fmt::format("  and {} other signatures", failures.size() - kMostSignatures));
  for (std::string& row : out) row = row.substr(0, width > 1 ? width - 1 : 1);
  return out;
}

campaign::Progress later(campaign::Progress progress, double seconds) {
  progress.used_s += seconds;
  if (progress.left_s) progress.left_s = std::max(0.0, *progress.left_s - seconds);
  return progress;
}

CampaignScreen::CampaignScreen(int cores)
    : cores_(cores), terminal_(::isatty(STDERR_FILENO) != 0) {}

void CampaignScreen::begin(JobNumber job, const std::string& cell) {
  cells_[job] = cell;
  board_.begin(job, cell);
}

void CampaignScreen::hear(JobNumber job, const run::Event& event) {
  if (!cells_.contains(job)) return;
  board_.take(job, event);
  draw(false);
}

void CampaignScreen::end(JobNumber job, const std::string& text) {
  board_.end(job);
  if (const auto cell = cells_.find(job); cell != cells_.end()) {
    if (!text.empty()) line(cell->second + ": " + text);
    cells_.erase(cell);
  }
}

void CampaignScreen::progress(const campaign::Progress& progress) {
  progress_ = progress;
  progress_at_ = Clock::now();
  tick();
}

void CampaignScreen::tick() {
  if (!progress_) return;
  const auto now = Clock::now();
  const campaign::Progress progress =
      later(*progress_, std::chrono::duration<double>(now - progress_at_).count());
  winsize size{};
  if (terminal_) ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  rows_ = campaign_rows(progress, cores_, size.ws_col > 0 ? size.ws_col : 80);
  if (!terminal_ && now - told_at_ >= kBetweenLines) {
    told_at_ = now;
    line(time_text(progress) + "; " + counts(progress));
  }
  draw(false);
}

void CampaignScreen::line(const std::string& text) {
  erase();
  to_stderr("ktrial: {}\n", results::printable(text));
  draw(true);
}

void CampaignScreen::done() {
  erase();
  terminal_ = false;
  rows_.clear();
  progress_.reset();
}

void CampaignScreen::draw(bool now) {
  if (!terminal_ || (!now && Clock::now() - drawn_at_ < kBetweenDraws)) return;
  drawn_at_ = Clock::now();
  erase();
  winsize size{};
  ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  const std::size_t width = size.ws_col > 0 ? size.ws_col : 80,
                    height = size.ws_row > 4 ? size.ws_row : 24;
  std::vector<std::string> rows = rows_;
  if (rows.size() + 2 < height)
    for (std::string& row : board_.rows(width, height - rows.size() - 1))
      rows.push_back(std::move(row));
  for (const std::string& row : rows) to_stderr("{}\n", row);
  drawn_ = rows.size();
}

void CampaignScreen::erase() {
  if (drawn_ > 0) to_stderr("\033[{}A\033[J", drawn_);
  drawn_ = 0;
}

}  // namespace ktrial::cli
