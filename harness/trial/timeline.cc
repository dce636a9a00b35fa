#include "harness/trial/timeline.h"

#include <fmt/format.h>

#include <algorithm>

namespace ktrial::trial {
namespace {

using std::chrono::nanoseconds;
using trace::Mark;
using trace::Track;

constexpr std::uint64_t kLatest = 1ull << 60;  // ns, 36 years: what no guest's clock shows
constexpr std::size_t kMostPairs = 4096, kMostSent = 16384, kMostProgress = 512, kMostPhases = 64;
constexpr std::size_t kMostBeats = 65536, kMostBeatsOfOne = 1024;
constexpr auto kNear = std::chrono::seconds(10);
constexpr std::uint64_t kGap = 2'500'000'000;  // ns: beats come once a second
constexpr std::size_t kLongestText = 200;

}  // namespace

void Timeline::heard(Time arrived, std::uint64_t uptime_ns) {
  if (!sent_.empty() && arrived < sent_.back().arrived) return;
  sent_.push_back({arrived, static_cast<std::int64_t>(uptime_ns)});
  if (sent_.size() > kMostSent) sent_.pop_front();
}

void Timeline::clocks(Time arrived, const wire::Clocks& clocks) {
  if (clocks.uptime_ns > kLatest || clocks.trace_ns > kLatest) return;
  heard(arrived, clocks.uptime_ns);
  if (!pairs_.empty() && clocks.uptime_ns < pairs_.back().uptime_ns) return;
  pairs_.push_back(clocks);
  if (pairs_.size() > kMostPairs) pairs_.pop_front();
}

void Timeline::beat(Time arrived, const wire::Beat& beat) {
  if (beat.uptime_ns > kLatest) return;
  heard(arrived, beat.uptime_ns);
  if (beat_count_ >= kMostBeats && !beats_.contains(beat.cpu)) return;
  auto& all = beats_[beat.cpu];
  if (!all.empty() && beat.uptime_ns < all.back()) return;
  all.push_back(beat.uptime_ns);
  ++beat_count_;
  if (all.size() > kMostBeatsOfOne || beat_count_ > kMostBeats) {
    all.pop_front();
    --beat_count_;
  }
}

// Of more than can be shown, every second one, then every fourth, ...
void Timeline::progress(Time arrived, const wire::Progress& progress) {
  if (progress_seen_++ % progress_every_ != 0) return;
  std::string text = progress.total == 0 ? fmt::format("{}", progress.done)
                                         : fmt::format("{} of {}", progress.done, progress.total);
  if (!progress.text.empty()) text += ": " + progress.text.substr(0, kLongestText);
  progress_.push_back({arrived, std::move(text)});
  if (progress_.size() < kMostProgress) return;
  std::vector<Step> half;
  for (std::size_t i = 0; i < progress_.size(); i += 2) half.push_back(std::move(progress_[i]));
  progress_ = std::move(half);
  progress_every_ *= 2;
}

void Timeline::phase(Time at, std::string name) {
  if (phases_.size() < kMostPhases) phases_.push_back({at, std::move(name)});
}

void Timeline::stop(Time at) {
  if (!stopped_) stopped_ = at;
}

std::optional<std::uint64_t> Timeline::trace_ns(std::uint64_t uptime_ns) const {
  if (pairs_.empty() || uptime_ns > kLatest) return std::nullopt;
  auto near = std::ranges::lower_bound(pairs_, uptime_ns, {}, &wire::Clocks::uptime_ns);
  if (near == pairs_.end() || (near != pairs_.begin() && uptime_ns - std::prev(near)->uptime_ns <
                                                             near->uptime_ns - uptime_ns))
    --near;
  const std::int64_t at = static_cast<std::int64_t>(near->trace_ns) +
                          static_cast<std::int64_t>(uptime_ns) -
                          static_cast<std::int64_t>(near->uptime_ns);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(at, 0));
}

std::optional<std::uint64_t> Timeline::trace_ns(Time at) const {
  if (sent_.empty()) return std::nullopt;
  auto near = std::ranges::lower_bound(sent_, at, {}, &Sent::arrived);
  if (near == sent_.end() ||
      (near != sent_.begin() && at - std::prev(near)->arrived < near->arrived - at))
    --near;
  const auto difference = [](const Sent& one) {
    return nanoseconds(one.arrived.time_since_epoch()).count() - one.uptime_ns;
  };
  std::int64_t least = difference(*near);
  const Time from = near->arrived - kNear, to = near->arrived + kNear;
  for (auto one = std::ranges::lower_bound(sent_, from, {}, &Sent::arrived);
       one != sent_.end() && one->arrived <= to; ++one)
    least = std::min(least, difference(*one));
  const std::int64_t uptime = nanoseconds(at.time_since_epoch()).count() - least;
  if (uptime >= 0) return trace_ns(static_cast<std::uint64_t>(uptime));
  // Before the guest counted at all; its trace's clock may have begun earlier.
  const auto zero = trace_ns(std::uint64_t{0});
  if (!zero) return std::nullopt;
  const auto back = static_cast<std::uint64_t>(-uptime);
  return *zero > back ? *zero - back : 0;
}

void Timeline::add_beats(Time now, std::vector<Mark>& out) const {
  const std::uint64_t end = trace_ns(now).value_or(0);
  for (const auto& [cpu, all] : beats_) {
    const auto silence = [&, track = static_cast<int>(cpu)](std::uint64_t from, std::uint64_t to,
                                                            const char* still) {
      if (to < from || to - from < kGap) return;
      out.push_back(
          {from, fmt::format("no beat for {:.1f} s{}", static_cast<double>(to - from) / 1e9, still),
           track, Track::beats, to});
    };
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::uint64_t at = trace_ns(all[i]).value_or(0);
      if (i > 0) silence(before, at, "");
      out.push_back({at, "beat", static_cast<int>(cpu), Track::beats});
      before = at;
    }
    silence(before, end, ", nor later");
  }
}

std::vector<Mark> Timeline::marks(const std::vector<autopsy::HostTrouble>& host, Time now) const {
  std::vector<Mark> out;
  if (pairs_.empty() || sent_.empty()) return out;
  if (stopped_) now = std::min(now, *stopped_);
  const auto place = [&](Time at) { return trace_ns(at).value_or(0); };
  for (std::size_t i = 0; i < phases_.size() && phases_[i].at < now; ++i)
    out.push_back({place(phases_[i].at), phases_[i].text, -1, Track::phases,
                   place(i + 1 < phases_.size() ? std::min(phases_[i + 1].at, now) : now)});
  for (const Step& step : progress_)
    out.push_back({place(step.at), step.text, -1, Track::progress});
  add_beats(now, out);
  for (const autopsy::HostTrouble& trouble : host)
    if (trouble.from < now)
      out.push_back(
          {place(trouble.from), trouble.what, trouble.cpu, Track::host, place(trouble.to)});
  // A span that ends where it begins would be taken for a point.
  for (Mark& mark : out)
    if (mark.until_ns != 0) mark.until_ns = std::max(mark.until_ns, mark.ns + 1);
  return out;
}

}  // namespace ktrial::trial
