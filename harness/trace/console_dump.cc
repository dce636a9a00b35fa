#include "harness/trace/console_dump.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/re2.h"
#include "harness/base/text.h"

namespace ktrial::trace {

namespace {

constexpr std::string_view kBegin = "Dumping ftrace ";  // "buffer:", "instance NAME buffer:"
constexpr std::string_view kRuler = "---------------------------------";
constexpr std::string_view kEmpty = "(ftrace buffer empty)";
constexpr std::size_t kLongestLine = 4096, kMostLosses = 64;

// printk's prefix: a level, a stamp, who printed it.
std::string_view without_prefix(std::string_view line) {
  static const RE2 prefix(R"(^(?:<\d{1,3}>)?(?:\[ *\d+\.\d{6}\])?(?:\[ *[TC]\d+\])? ?)",
                          RE2::Latin1);
  consume(line, prefix);
  return line;
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c < ' ' || c >= 127) c = c == '\t' ? ' ' : '?';
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

class DumpReader::Reader {
 public:
  bool begun() const { return dumps_ > 0; }
  History result() {
    finish();
    return std::move(out_);
  }

  void take(std::string_view raw) {
    raw = raw.substr(0, kLongestLine);
    while (raw.ends_with('\r')) raw.remove_suffix(1);
    if (raw.find(kBegin) != std::string_view::npos && raw.find("buffer:") != std::string_view::npos)
      return begin();
    if (state_ == State::outside) return;
    const std::string_view line = without_prefix(raw);
    if (line.find(kEmpty) != std::string_view::npos) {
      state_ = State::outside;
    } else if (line.starts_with(kRuler)) {
      state_ = state_ == State::begun ? State::inside : State::outside;
    } else if (!take_loss(line) && !take_record(line) && !take_stack(line)) {
      // A record that lost its beginning, or some other CPU's line.
      static const RE2 remains(R"(\d*us[ +!#*@$]: |\bprev_comm=|\bnext_pid=)", RE2::Latin1);
      if (partial_match(line, remains)) ++damaged_;
    }
  }

 private:
  enum class State { outside, begun, inside };

  void begin() {
    if (state_ != State::outside) ++endless_;
    ++dumps_;
    state_ = State::begun;
  }

  bool take_loss(std::string_view line) {
    static const RE2 loss(R"(^CPU:(\d{1,6}) \[LOST (\d{1,18}) EVENTS\])", RE2::Latin1);
    std::string cpu, count;
    if (!partial_match(line, loss, &cpu, &count)) return false;
    if (out_.missing.size() < kMostLosses)
      out_.missing.push_back("CPU " + cpu + " lost " + count + " events");
    return true;
  }

  bool take_record(std::string_view line) {
    static const RE2 record(
        R"(^ *(.{1,15}?)-(\d{1,9}) +(\d{1,4})([^\d\s]\S{2,7}) +(\d{1,15})us[ +!#*@$]: (.*)$)",
        RE2::Latin1);
    std::string_view task, flags, rest;
    Moment one;
    std::uint64_t us = 0;
    if (!full_match(line, record, &task, &one.pid, &one.cpu, &flags, &us, &rest)) return false;
    if (one.cpu >= kMaxCpus || out_.moments.size() >= kMaxEvents) {
      ++damaged_;
      return true;
    }
    state_ = State::inside;  // its ruler may be lost
    one.ns = us * 1000;
    split(rest, one);
    understand(one, out_.names);
    one.doubtful = one.doubtful || (one.event == "sched_switch" && one.act != Act::task_switch) ||
                   (one.event == "sched_process_fork" && one.act != Act::fork);
    if (one.pid != 0 && !task.starts_with("<")) short_names_.try_emplace(one.pid, printable(task));
    damaged_ += one.doubtful;
    out_.moments.push_back(std::move(one));
    return true;
  }

  // "event: fields", or "callee <-caller" of the function tracer.
  static void split(std::string_view rest, Moment& one) {
    static const RE2 other_line(R"(^(.*?)\[ *\d+\.\d{6}\])", RE2::Latin1);
    static const RE2 named(R"(^([A-Za-z_]\w{0,63}): ?(.*)$)", RE2::Latin1);
    std::string_view text = rest, event, fields;
    one.doubtful = std::ranges::any_of(rest, [](char c) {
      return (c < ' ' && c != '\t') || static_cast<unsigned char>(c) >= 127;
    });
    // Another CPU's line begins within.
    if (partial_match(text, other_line, &text)) one.doubtful = true;
    if (full_match(text, named, &event, &fields)) {
      one.event = event;
      one.text = printable(fields);
      return;
    }
    one.text = printable(text);
    one.event = one.text.find(" <-") != std::string::npos ? "function" : "print";
  }

  // " => function": of the record before.
  bool take_stack(std::string_view line) {
    if (!line.starts_with(" => ") || out_.moments.empty()) return false;
    std::string& text = out_.moments.back().text;
    if (text.size() < kLongestLine) text += printable(line);
    return true;
  }

  // Records come merged by time: one that fits neither neighbour has a damaged stamp.
  void check_times() {
    auto& all = out_.moments;
    for (std::size_t i = 1; i + 1 < all.size(); ++i) {
      const std::uint64_t before = all[i - 1].ns, after = all[i + 1].ns;
      if (before > after || (all[i].ns >= before && all[i].ns <= after)) continue;
      damaged_ += !all[i].doubtful;
      all[i].doubtful = true;
      all[i].ns = before;
    }
  }

  void finish() {
    if (state_ != State::outside) ++endless_;
    check_times();
    for (const auto& [pid, name] : short_names_) out_.names.try_emplace(pid, name);
    for (auto& [pid, name] : out_.names) name = printable(name);
    out_.source = "console";
    if (endless_ > 0)
      out_.missing.push_back(fmt::format("{} of {} dumps without an end", endless_, dumps_));
    if (damaged_ > 0) out_.missing.push_back(fmt::format("{} damaged records", damaged_));
  }

  History out_;
  std::map<int, std::string> short_names_;
  State state_ = State::outside;
  std::size_t damaged_ = 0, dumps_ = 0, endless_ = 0;
};

DumpReader::DumpReader() : reader_(std::make_unique<Reader>()) {}
DumpReader::DumpReader(DumpReader&&) noexcept = default;
DumpReader::~DumpReader() = default;
void DumpReader::take(std::string_view line) { reader_->take(line); }
bool DumpReader::begun() const { return reader_->begun(); }
History DumpReader::finish() { return reader_->result(); }

bool has_dump(std::string_view log) {
  return log.find("Dumping ftrace buffer:") != std::string_view::npos ||
         log.find("Dumping ftrace instance ") != std::string_view::npos;
}

History read_dump(std::string_view log) {
  DumpReader reader;
  while (const auto line = take_line(log)) reader.take(*line);
  return reader.finish();
}

}  // namespace ktrial::trace
