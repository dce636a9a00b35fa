#include "harness/campaign/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <queue>
#include <random>

#include "harness/campaign/standing.h"

namespace ktrial::campaign {
namespace {

constexpr std::size_t kRemembered = 7;  // nights
constexpr int kHostFaultSeconds = 90, kFailSeconds = 60;

std::string cell_text(std::size_t cell) { return "cell=" + std::to_string(cell); }
std::string signature_text(std::size_t cell) { return "stall:f" + std::to_string(cell); }

class World {
 public:
  explicit World(const SimulateOptions& options) : o_(options), random_(options.seed) {
    for (int i = 0; i < o_.cells; ++i) seconds_.push_back(5 + 10 * uniform());
  }

  Simulated run() {
    out_.nights = o_.nights;
    for (int night = 0; night < o_.nights; ++night) {
      plant(night);
      Seen seen = pass_night(night);
      judge(seen, night);
      remember(std::move(seen));
    }
    out_.used /= o_.nights;
    out_.coverage = intervals_ == 0 ? 1 : static_cast<double>(covered_) / intervals_;
    return out_;
  }

 private:
  struct Ending {
    double at_s = 0, took_s = 0;
    std::size_t cell = 0;
    bool operator>(const Ending& other) const {
      return std::pair(at_s, cell) > std::pair(other.at_s, other.cell);
    }
  };

  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  std::size_t host_cell() const { return seconds_.size() - 1; }
  std::size_t late_cell() const { return seconds_.size() - 2; }
  // The faults are spread over the cells.
  std::size_t planted_cell(std::size_t i) const {
    return i * (seconds_.size() - 2) / std::max<std::size_t>(1, o_.planted.size());
  }
  int mended_from() const { return o_.nights / 2; }

  void plant(int night) {
    rates_.assign(seconds_.size(), 0);
    for (std::size_t i = 0; i < o_.planted.size(); ++i) rates_[planted_cell(i)] = o_.planted[i];
    if (o_.mended < o_.planted.size() && night >= mended_from())
      rates_[planted_cell(o_.mended)] = 0;
    if (night == o_.nights - 1) rates_[late_cell()] = .2;
  }

  Scheduler scheduler() {
    std::vector<Task> tasks;
    for (std::size_t i = 0; i < seconds_.size(); ++i) {
      const int vcpus = 1 << (1 + i % 3);
      const bool failed = !nights_.empty() && nights_.back().cells[cell_text(i)].fail > 0;
      tasks.push_back({{vcpus, 1024}, nights_.empty() ? 15 : seconds_[i] * 1.2, failed});
    }
    return Scheduler(
        std::move(tasks),
        {.budget_s = o_.budget_s, .seed = random_(), .room = {o_.cores, std::int64_t{1} << 30}});
  }

  Came trial(std::size_t cell, double* took) {
    const double noise = .8 + .4 * uniform();
    Came came;
    if (cell == host_cell() || uniform() < o_.host_faults) {
      came.inconclusive = 1;
      *took = kHostFaultSeconds * noise;
    } else if (uniform() < rates_[cell]) {
      came.fail = 1;
      *took = kFailSeconds * noise;
    } else {
      came.pass = 1;
      *took = seconds_[cell] * noise;
    }
    came.seconds = *took;
    return came;
  }

  Seen pass_night(int night) {
    Scheduler order = scheduler();
    std::priority_queue<Ending, std::vector<Ending>, std::greater<>> running;
    std::map<std::pair<double, std::size_t>, std::vector<Came>> comes;
    double now = 0, busy = 0, end = 0;
    const auto next = [&] {
      const auto from = std::chrono::steady_clock::now();
      const auto cell = order.next(now);
      out_.scheduling_s +=
          std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
      ++out_.decisions;
      return cell;
    };
    for (;;) {
      while (const auto cell = next()) {
        double took = 0;
        const Came came = trial(*cell, &took);
        comes[{now + took, *cell}].push_back(came);
        running.push({now + took, took, *cell});
        busy += std::max(0.0, std::min(took, o_.budget_s - now)) * (1 << (1 + *cell % 3));
      }
      if (running.empty()) break;
      const Ending first = running.top();
      running.pop();
      now = end = first.at_s;
      auto& list = comes[{first.at_s, first.cell}];
      order.ended(first.cell, list.back());
      list.pop_back();
      if (list.empty()) comes.erase({first.at_s, first.cell});
      ++out_.trials;
    }
    out_.used += busy / (o_.budget_s * o_.cores);
    out_.overrun_s = std::max(out_.overrun_s, end - o_.budget_s);
    return seen_of(order, night);
  }

  Seen seen_of(const Scheduler& order, int night) {
    Seen seen{.id = fmt::format("night{:04}", night)};
    for (std::size_t i = 0; i < seconds_.size(); ++i) {
      const CellState& state = order.state(i);
      SeenCell cell{state.pass, state.fail, state.inconclusive, {}};
      if (cell.fail > 0) cell.signatures[signature_text(i)] = cell.fail;
      if (rates_[i] > 0) {
        ++intervals_;
        covered_ += stats::exact_interval(cell.judged(), .95).contains(rates_[i]);
      }
      if (rates_[i] >= .03) {
        ++out_.planted;
        out_.found += cell.fail > 0;
      }
      if (i == host_cell())
        out_.most_at_host_fault = std::max(out_.most_at_host_fault, cell.trials());
      seen.cells[cell_text(i)] = std::move(cell);
    }
    return seen;
  }

  void judge(const Seen& seen, int night) {
    const auto first = nights_.size() > kRemembered ? nights_.size() - kRemembered : 0;
    const Before before{std::span(nights_).subspan(first), ever_};
    const Standings told = stand(seen, before, [](auto&, auto&) { return false; });
    const bool last = night == o_.nights - 1;
    bool alarm = false;
    for (std::size_t i = 0; i < seconds_.size(); ++i) {
      using results::Standing;
      const Standing standing = told.cells.at(cell_text(i)).standing;
      const bool mended = o_.mended < o_.planted.size() && i == planted_cell(o_.mended);
      const bool changed = mended && night >= mended_from();
      if (mended && night == mended_from()) {
        ++out_.wanted_gone;
        out_.true_gone += standing == Standing::gone;
      }
      if (last && i == late_cell()) {
        ++out_.wanted_new;
        out_.true_new += standing == Standing::fresh;
        continue;
      }
      if (standing == Standing::fresh && (ever_.contains(signature_text(i)) || rates_[i] == 0))
        ++out_.false_new;
      alarm |= !changed && (standing == Standing::worse || standing == Standing::better ||
                            standing == Standing::gone);
    }
    out_.nights_with_alarm += alarm;
  }

  void remember(Seen seen) {
    for (const auto& [name, cell] : seen.cells)
      for (const auto& [signature, count] : cell.signatures) ever_.try_emplace(signature, seen.id);
    nights_.push_back(std::move(seen));
    if (nights_.size() > kRemembered) nights_.erase(nights_.begin());
  }

  const SimulateOptions o_;
  std::mt19937_64 random_;
  std::vector<double> seconds_, rates_;  // of the cells
  std::vector<Seen> nights_;
  std::map<std::string, std::string> ever_;
  std::int64_t intervals_ = 0, covered_ = 0;
  Simulated out_;
};

}  // namespace

Simulated simulate(const SimulateOptions& options) { return World(options).run(); }

std::string simulate_text(const Simulated& r) {
  std::string out;
  const auto line = [&](const char* what, const std::string& text) {
    out += fmt::format("{:<34}{}\n", what, text);
  };
  line("nights", fmt::format("{}", r.nights));
  line("trials a night", fmt::format("{:.0f}", static_cast<double>(r.trials) / r.nights));
  line("cores used within the budget", fmt::format("{:.1f} %", 100 * r.used));
  line("ended after the budget, at most", fmt::format("{:.0f} s", r.overrun_s));
  line("rates of 3 % and more, seen", fmt::format("{} of {}", r.found, r.planted));
  line("false \"new\"", fmt::format("{}", r.false_new));
  line("a new fault of 20 %, told as new", fmt::format("{} of {}", r.true_new, r.wanted_new));
  line("a mended fault, told as gone", fmt::format("{} of {}", r.true_gone, r.wanted_gone));
  line("nights with a wrong alarm", fmt::format("{} (worse, better or gone)", r.nights_with_alarm));
  line("intervals that cover, of 95 %", fmt::format("{:.2f} %", 100 * r.coverage));
  line("trials of a cell that the host fails", fmt::format(" {} at most", r.most_at_host_fault));
  line("decisions a second",
       fmt::format("{:.0f}", static_cast<double>(r.decisions) / std::max(1e-9, r.scheduling_s)));
  return out;
}

}  // namespace ktrial::campaign
