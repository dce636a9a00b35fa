#include "harness/console/hearing.h"

#include <re2/re2.h>

#include <bit>
#include <utility>

#include "harness/console/folding.h"
#include "harness/console/frames.h"
#include "harness/console/oops_rules.h"

namespace ktrial::console {
namespace {

constexpr std::size_t kMaxHeld = 48;  // a wrapped list of modules fits
constexpr int kActiveLines = 48;
constexpr int kEnough = 2, kBeyondDoubt = 8;
constexpr std::uint64_t kShortText = 1;

bool matches(std::string_view text, const RE2& re) {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), re);
}

std::string_view indent_of(std::string_view text) {
  const std::size_t end = text.find_first_not_of(" \t");
  return text.substr(0, end == text.npos ? text.size() : end);
}

// How much a line confirms that a report stands here. Prose has no such lines.
int weight_of(std::string_view body) {
  static const RE2 strong(
      R"(^\s*(?:CPU: \d+ .*Comm: |Pid: \d+, comm: |(?:Call [Tt]race|Backtrace|Stack|stack backtrace):|---\[ end|)"
      R"(Code: (?:[0-9a-f<>()]{2,10} )|[RE]?AX: [0-9a-f]|x\d+ ?: [0-9a-f]{8}|RSP: |Hardware name: |Modules linked in:|)"
      R"((?:Read|Write) of size \d+ at|NMI backtrace for cpu|Sending NMI from|\S.*/\d+ is trying to acquire lock|)"
      R"((?:Not tainted|Tainted: .*) \d+\.\d|Showing busy workqueues|\d+ locks? held by |preempt_count: |)"
      R"("echo 0 > /proc/sys/kernel/hung_task|\(detected by \d+, t=|\(t=\d+ jiffies|Kernel Offset: |Mem-Info:|)"
      R"(Rebooting in \d+ sec|PGD [0-9a-f]+|#PF: |in_atomic\(\): |unreferenced object 0x))");
  static const RE2 weak(
      R"(^\s*(?:Workqueue: |Tainted: |page:|raw: |flags: 0x|Showing all locks|stack:))");
  if (matches(body, strong) || parse_pointer(body).has_value()) return kEnough;
  if (const auto frame = parse_frame(body)) return body.find("+0x") != body.npos ? kEnough : 1;
  return matches(body, weak) ? 1 : 0;
}

// Where the head of a report stands behind words that nobody knows; npos if none does.
std::size_t hidden_head(std::string_view text) {
  static const RE2 word(
      R"((?:^|[^\w])((?:\[ |(?:NMI )?watchdog: |rcu: |Oops: )?(?:BUG[: ]|WARNING: |INFO: |Oops|general protection fault|[Kk]ernel BUG at|Unable to handle|Kernel panic|Internal error|divide error|invalid opcode|stack segment|UBSAN: )))");
  const re2::StringPiece piece(text.data(), std::min<std::size_t>(text.size(), 512));
  re2::StringPiece found[2];
  if (!word.Match(piece, 0, piece.size(), RE2::UNANCHORED, found, 2)) return text.npos;
  const auto at = static_cast<std::size_t>(found[1].data() - text.data());
  return at > 0 && match_head(text.substr(at)) ? at : text.npos;
}

}  // namespace

void Hearing::note_strays(std::string_view text) {
  static const char* const words[] = {"[ cut here ]", "Call Trace:",         "---[ end trace",
                                      "RIP: 0010:",   "Modules linked in: ", "Linux version ",
                                      " tainted ",    "Hardware name: ",     "Command line: "};
  unsigned bit = 1;
  for (const char* const word : words) {
    if (text.find(word) != text.npos) strays_ |= bit;
    bit <<= 1;
  }
}

bool Hearing::heard_strays() const { return std::popcount(strays_) >= 3; }

void Hearing::hold(const Line& line, Shape shape, bool heard) {
  held_.push_back({.whole = std::string(line.whole), .line = line, .shape = shape, .heard = heard});
  held_.back().body = static_cast<std::size_t>(line.body.data() - line.whole.data());
}

void Hearing::pass(const Line& line, LineReader& reader) {
  if (held_.empty()) {
    reader.read(line);
    return;
  }
  hold(line, 0, false);
  settle(reader, false);
}

void Hearing::hear(const Line& line, Shape shape, bool doubted, LineReader& reader) {
  if (held_.empty() && active_lines_ > 0) {
    const auto body = static_cast<std::size_t>(line.body.data() - line.whole.data());
    const std::string_view text = unwrap(active_, line.whole, body, shape);
    --active_lines_;
    if (text.data() != nullptr) {
      Line ours = line;
      ours.body = text;
      ours.kernel = true;
      if (weight_of(text) > 0 || match_head(text.substr(indent_of(text).size())))
        active_lines_ = kActiveLines;
      reader.read(ours);
      return;
    }
  }
  const std::string_view text = line.body.substr(indent_of(line.body).size());
  heard_ += text.empty() ? 0 : 1;
  const bool head = match_head(text).has_value();
  // Some heads start with any words: those of a wrapping, perhaps.
  const bool plain = head && has_head_words(text);
  const std::size_t hidden = plain || doubted ? text.npos : hidden_head(line.body);
  if (!head && hidden == text.npos && held_.empty()) {
    if (!doubted) note_strays(line.whole);
    reader.read(line);
    return;
  }
  hold(line, shape, true);
  Held& held = held_.back();
  held.head = head || hidden != text.npos;
  held.first = heard_ == 1;
  held.doubted = doubted;
  held.weight = weight_of(line.body);
  if (hidden != text.npos) held.form = form_of(line.body.substr(0, hidden));
  settle(reader, false);
}

void Hearing::contradict(Shape shape, LineReader& reader) {
  if (active_.shape == shape) active_lines_ = 0;
  heard_ = kShortText + 1;
  for (Held& held : held_)
    if (held.heard && held.shape == shape) held.head = false;
  settle(reader, false);
}

void Hearing::finish(LineReader& reader) { settle(reader, true); }

Hearing::Wrapping Hearing::wrapping_of(const Held& head) {
  Wrapping out{.shape = head.shape, .form = head.form, .indent = {}};
  if (out.form.empty()) out.indent = indent_of(std::string_view(head.whole).substr(head.body));
  return out;
}

// The message of a line in this wrapping; no data if it is in another one.
std::string_view Hearing::unwrap(const Wrapping& wrapping, std::string_view whole, std::size_t body,
                                 Shape shape) {
  if (shape != wrapping.shape) return {};
  std::string_view text = whole.substr(body);
  if (!wrapping.form.empty()) {
    const std::size_t end = match_form(wrapping.form, text);
    return end == text.npos ? std::string_view()
                            : without_closing(text.substr(end), text.substr(0, end));
  }
  text.remove_prefix(text.starts_with(wrapping.indent) ? wrapping.indent.size()
                                                       : indent_of(text).size());
  return without_closing(text, whole.substr(0, body));
}

bool Hearing::confirmed(const Held& head) const {
  const Wrapping wrapping = wrapping_of(head);
  int weight = 0;
  for (const Held& held : held_) {
    if (!held.heard || &held == &head || held.shape != head.shape) continue;
    if (head.form.empty()) {
      weight += held.weight;
    } else {
      const std::string_view text = unwrap(wrapping, held.whole, held.body, held.shape);
      if (text.data() != nullptr) weight += weight_of(text);
    }
    if (weight >= (head.doubted ? kBeyondDoubt : kEnough)) return true;
  }
  return false;
}

// Passes on the first of the held lines; those in `wrapping` are the kernel's.
void Hearing::release(LineReader& reader, std::size_t count, const Wrapping* wrapping) {
  for (; count > 0; --count) {
    Held held = std::move(held_.front());
    held_.pop_front();
    held.line.whole = held.whole;
    held.line.body = std::string_view(held.whole).substr(held.body);
    if (held.heard && wrapping != nullptr) {
      const std::string_view text = unwrap(*wrapping, held.whole, held.body, held.shape);
      if (text.data() != nullptr) {
        held.line.body = text;
        held.line.kernel = true;
      }
    }
    if (held.heard && !held.line.kernel && !held.doubted) note_strays(held.whole);
    reader.read(held.line);
  }
}

void Hearing::settle(LineReader& reader, bool last) {
  while (!held_.empty()) {
    if (!held_.front().head) {
      release(reader, 1, nullptr);
      continue;
    }
    // Of a text that is nothing but a head nothing could confirm it, and nothing speaks against it.
    if (confirmed(held_.front()) || (last && heard_ <= kShortText && held_.front().first)) {
      active_ = wrapping_of(held_.front());
      active_lines_ = kActiveLines;
      release(reader, held_.size(), &active_);
      return;
    }
    if (!last && held_.size() < kMaxHeld) return;
    release(reader, 1, nullptr);
  }
}

}  // namespace ktrial::console
