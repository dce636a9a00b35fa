#include "harness/trace/svg_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "harness/base/text.h"
#include "harness/trace/diff.h"

namespace ktrial::trace {

namespace {

// Pixels.
constexpr double kPageWidth = 1600, kLeft = 70, kRight = 40, kTop = 78, kRow = 44, kBar = 26;
constexpr double kLabel = 7;  // of a letter
constexpr double kPlot = kPageWidth - kLeft - kRight;
// What is drawn at most, each some 150 bytes.
constexpr std::size_t kMostRows = 64, kMostBars = 900, kMostSigns = 200, kMostMarks = 16,
                      kMostBands = 200;
constexpr std::size_t kMostLegend = 8, kLongestLabel = 80;

// Guest text: cut, and without what a reader could stumble over.
std::string escaped(std::string_view text) {
  std::string plain(text.substr(0, kLongestLabel));
  for (char& c : plain)
    if (c < ' ' || c >= 127) c = '?';
  return xml_escaped(plain);
}

// Of one name always the same; FNV-1a (Fowler, Noll, Vo).
std::string color(const std::string& name) {
  std::uint32_t hash = 2166136261u;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return fmt::format("hsl({},{}%,{}%)", hash % 360, 50 + hash / 360 % 30, 55 + hash / 16384 % 15);
}

struct Row {
  std::size_t index = 0;
  int runs = 0;  // pid
  std::uint64_t since_ns = 0;
  std::uint64_t last_ns = 0;  // event
  double drawn_to = -1;       // pixel
  bool known = false, begun = false;
};

class Picture {
 public:
  Picture(const History& history, Span span) : history_(history), span_(span) {
    if (span_.to_ns <= span_.from_ns) span_.to_ns = span_.from_ns + 1;
    for (const Moment& one : history.moments)
      if (rows_.size() < kMostRows) rows_.try_emplace(one.cpu);
    std::size_t index = 0;
    for (auto& [cpu, row] : rows_) row.index = index++;
    const auto bars = std::ranges::count_if(history.moments, [&](const Moment& one) {
      return one.act == Act::task_switch && shown(one.ns);
    });
    if (static_cast<std::size_t>(bars) > kMostBars)
      cell_ = kPlot * static_cast<double>(rows_.size()) / kMostBars;
  }

  std::string draw(const std::vector<Mark>& marks) {
    const double height = kTop + kRow * static_cast<double>(rows_.size()) + 40;
    add(R"(<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" )"
        R"(font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="{2}" y="18" font-size="14">{3} events from {4}; shown: {5:.6f} s to {6:.6f} s</text>
)",
        kPageWidth, height, kLeft, history_.moments.size(), escaped(history_.source),
        seconds(span_.from_ns), seconds(span_.to_ns));
    axis();
    draw_bands(marks);
    for (const auto& [cpu, row] : rows_)
      add(R"(<text x="8" y="{:.0f}">CPU {}</text>)"
          "\n",
          top(row) + kBar - 8, cpu);
    for (const Moment& one : history_.moments) take(one);
    for (auto& [cpu, row] : rows_) end_of(cpu, row);
    legend();
    draw_marks(marks);
    return out_ + signs_ + "</svg>\n";
  }

 private:
  template <class... T>
  void add(fmt::format_string<T...> format, T&&... values) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<T>(values)...);
  }

  double x(std::uint64_t ns) const {
    const std::uint64_t in = std::clamp(ns, span_.from_ns, span_.to_ns) - span_.from_ns;
    return kLeft +
           kPlot * static_cast<double>(in) / static_cast<double>(span_.to_ns - span_.from_ns);
  }
  static double top(const Row& row) { return kTop + kRow * static_cast<double>(row.index); }
  double bottom() const { return kTop + kRow * static_cast<double>(rows_.size()); }
  bool shown(std::uint64_t ns) const { return ns >= span_.from_ns && ns <= span_.to_ns; }

  void axis() {
    constexpr int kTicks = 10;
    for (int i = 0; i <= kTicks; ++i) {
      const std::uint64_t ns =
          span_.from_ns + (span_.to_ns - span_.from_ns) / kTicks * static_cast<unsigned>(i);
      add(R"(<path d="M{0:.1f} {1}V{2:.0f}" stroke="#ddd"/><text x="{0:.1f}" y="{3:.0f}" )"
          R"(text-anchor="middle" fill="#666" font-size="11">{4:.6f}</text>)"
          "\n",
          x(ns), kTop - 6, bottom(), bottom() + 16, seconds(ns));
    }
  }

  void take(const Moment& one) {
    const auto it = rows_.find(one.cpu);
    if (it == rows_.end()) return;
    Row& row = it->second;
    if (!row.known) {
      row.known = true;
      row.runs = one.pid;
      row.since_ns = one.ns;
    }
    row.last_ns = std::max(row.last_ns, one.ns);
    if (one.act == Act::task_switch) {
      bar(row, row.runs, row.since_ns, one.ns, false);
      row.runs = one.to;
      row.since_ns = one.ns;
      row.begun = true;
    } else if (shown(one.ns)) {
      sign(row, one);
    }
  }

  // What it ran last: it is not known for how long.
  void end_of(unsigned cpu, Row& row) {
    const std::uint64_t known = std::max(row.since_ns, std::min(row.last_ns, span_.to_ns));
    bar(row, row.runs, row.since_ns, known, false);
    if (row.last_ns >= span_.to_ns) return;
    row.drawn_to = -1;
    bar(row, row.runs, known, span_.to_ns, true);
    const auto running = history_.running.find(cpu);
    const bool open = row.begun && running != history_.running.end() && running->second != row.runs;
    const std::string text =
        fmt::format("{}no event after {:.6f} s{}", row.runs == 0 ? "idle, " : "",
                    seconds(row.last_ns), open ? "; the switch was begun, not ended" : "");
    const bool left = x(known) > kPageWidth - kRight - kLabel * static_cast<double>(text.size());
    add(R"(<text x="{:.1f}" y="{:.0f}" font-size="10" fill="#a00"{}>{}</text>)"
        "\n",
        x(known), top(row) + kBar + 11, left ? R"( text-anchor="end")" : "", text);
  }

  void bar(Row& row, int pid, std::uint64_t from, std::uint64_t to, bool open) {
    if (pid == 0 || to < span_.from_ns || from > span_.to_ns || from > to) return;
    const double begin = std::max(x(from), row.drawn_to), end = x(to);
    if (end - begin < cell_ && end - row.drawn_to < cell_) return;  // hidden by the one before
    const double width = std::max(end - begin, cell_);
    const auto name = history_.names.find(pid);
    const std::string kind = name == history_.names.end() ? "?" : without_numbers(name->second);
    legend_[kind] += width;
    const std::string task = history_.task(pid);
    add(R"(<rect x="{:.1f}" y="{:.0f}" width="{:.1f}" height="{}" fill="{}"{}><title>{}</title></rect>)"
        "\n",
        begin, top(row), width, kBar, color(kind), open ? R"( opacity=".35")" : "", escaped(task));
    row.drawn_to = begin + width;
    if (static_cast<double>(task.size()) * kLabel < width)
      add(R"(<text x="{:.1f}" y="{:.0f}" font-size="11">{}</text>)"
          "\n",
          begin + 3, top(row) + kBar - 9, escaped(task));
  }

  void sign(const Row& row, const Moment& one) {
    const bool ends = one.event == "sched_process_exit";
    if ((one.act != Act::fork && !ends) || sign_count_ >= kMostSigns) return;
    ++sign_count_;
    const std::string what = ends ? history_.task(one.pid) + " ends"
                                  : history_.task(one.from) + " forks " + history_.task(one.to);
    fmt::format_to(std::back_inserter(signs_),
                   R"(<path d="M{:.1f} {:.0f}l4 8h-8z" fill="{}"><title>{}</title></path>)"
                   "\n",
                   x(one.ns), top(row) - 8, ends ? "#c33" : "#184", escaped(what));
  }

  void legend() {
    std::vector<std::pair<double, std::string>> most;
    for (const auto& [kind, width] : legend_) most.emplace_back(width, kind);
    std::ranges::sort(most, std::ranges::greater{});
    double at = kLeft;
    const auto entry = [&](const std::string& fill, const std::string& text) {
      add(R"(<rect x="{:.0f}" y="28" width="12" height="12" fill="{}"/><text x="{:.0f}" y="38">{}</text>)"
          "\n",
          at, fill, at + 16, escaped(text));
      at += 36 + kLabel * static_cast<double>(text.size());
    };
    entry("#184", "fork");
    entry("#c33", "exit");
    if (host_took_) entry("#fe9", "taken by the host");
    for (std::size_t i = 0; i < most.size() && i < kMostLegend; ++i)
      entry(color(most[i].second), most[i].second);
  }

  // Behind the bars: what the host took from a CPU, or from all.
  void draw_bands(const std::vector<Mark>& marks) {
    std::size_t drawn = 0;
    for (const Mark& mark : marks) {
      if (mark.track != Track::host || mark.until_ns < span_.from_ns || mark.ns > span_.to_ns)
        continue;
      const auto row = mark.cpu < 0 ? rows_.end() : rows_.find(static_cast<unsigned>(mark.cpu));
      if ((mark.cpu >= 0 && row == rows_.end()) || drawn++ == kMostBands) continue;
      const double y = row == rows_.end() ? kTop : top(row->second) - 4;
      add(R"(<rect x="{:.1f}" y="{:.0f}" width="{:.1f}" height="{:.0f}" fill="#fb0" opacity=".3">)"
          R"(<title>host: {}</title></rect>)"
          "\n",
          x(mark.ns), y, x(mark.until_ns) - x(mark.ns),
          row == rows_.end() ? bottom() - kTop : kBar + 8, escaped(mark.text));
    }
    host_took_ = drawn > 0;
  }

  // Points, and where phases begin. Progress and beats would be too many.
  void draw_marks(const std::vector<Mark>& marks) {
    std::size_t drawn = 0;
    for (const Mark& mark : marks) {
      if (!shown(mark.ns) || drawn == kMostMarks) continue;
      if (mark.track != Track::events && mark.track != Track::phases) continue;
      const bool left = x(mark.ns) > kPageWidth / 2;
      add(R"(<path d="M{0:.1f} {1:.0f}V{2:.0f}" stroke="#00c" stroke-dasharray="4 3"/>)"
          R"(<text x="{3:.1f}" y="{4:.0f}" fill="#00c" font-size="11"{5}>{6}</text>)"
          "\n",
          x(mark.ns), kTop - 24, bottom() + 2, x(mark.ns) + (left ? -4 : 4),
          kTop - 16 - (drawn % 2 == 0 ? 0 : 11), left ? R"( text-anchor="end")" : "",
          escaped(mark.text + (mark.cpu < 0 ? "" : fmt::format(" (CPU {})", mark.cpu))));
      ++drawn;
    }
  }

  const History& history_;
  Span span_;
  std::map<unsigned, Row> rows_;
  std::map<std::string, double> legend_;  // pixels
  double cell_ = 1;
  bool host_took_ = false;
  std::size_t sign_count_ = 0;
  std::string out_, signs_;
};

}  // namespace

Span before_stall(const History& history, std::uint64_t window_ns) {
  struct Last {
    std::uint64_t ns = 0;
    bool idle = true;
  };
  std::map<unsigned, Last> last;
  for (const Moment& one : history.moments)
    if (!one.doubtful)
      last[one.cpu] = {one.ns, (one.act == Act::task_switch ? one.to : one.pid) == 0};
  const std::uint64_t end = history.end_ns();
  std::uint64_t stall = end;
  for (const auto& [cpu, one] : last)
    if (!one.idle) stall = std::min(stall, one.ns);
  return {stall > window_ns ? stall - window_ns : 0, std::min(end, stall + window_ns / 4)};
}

std::string to_svg(const History& history, const std::vector<Mark>& marks, Span span) {
  return Picture(history, span).draw(marks);
}

}  // namespace ktrial::trace
