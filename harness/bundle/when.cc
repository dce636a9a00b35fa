#include "harness/bundle/when.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "harness/spec/parse.h"

namespace ktrial::bundle {
namespace {

using Term = vm::Exact::Term;

constexpr std::uint64_t kKernelHalf = 1ull << 63;
constexpr std::size_t kMostTerms = 8, kMostPointers = 4, kMostNesting = 8;
constexpr char kHint[] =
    "as in 'last vcpu 2 in mm_get_cid' or 'first u32[jiffies] > 4294900000'; docs/replay.md has "
    "all";

std::unexpected<Error> wrong_at(const Word& word, const std::string& what) {
  return usage_error(fmt::format("column {}: {}", word.column, what), kHint);
}

// The flag that has it.
template <class T>
Result<T> of_flag(const char* flag, Result<T> result) {
  if (result) return result;
  return std::unexpected(std::move(result).error().in(flag));
}

bool is_of_a_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
}

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ' ' || text[at] == '\t') {
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    if (is_of_a_name(text[at]))
      while (end < text.size() && is_of_a_name(text[end])) ++end;
    else if (std::string_view("=!<>").contains(text[at]) && end < text.size() && text[end] == '=')
      ++end;
    out.push_back({std::string(text.substr(at, end - at)), at + 1});
    at = end;
  }
  out.push_back({"", text.size() + 1});
  return out;
}

// "12", "0x1f", "-1".
std::optional<std::uint64_t> value_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto value = spec::parse_number(text);
  return value && negative ? 0 - *value : value;
}

// In bytes; 0: it is none.
unsigned width_of(std::string_view text) {
  for (const unsigned bytes : {1u, 2u, 4u, 8u})
    if (text == "u" + std::to_string(8 * bytes)) return bytes;
  return 0;
}

constexpr std::array<std::pair<std::string_view, Term::Is>, 7> kComparisons = {
    {{"==", Term::Is::equal},
     {"!=", Term::Is::different},
     {"<", Term::Is::less},
     {"<=", Term::Is::at_most},
     {">", Term::Is::greater},
     {">=", Term::Is::at_least},
     {"&", Term::Is::has_bits}}};

class Parser {
 public:
  explicit Parser(std::string_view text) : words_(words_of(text)) {}

  Result<MemoryTerm> word_of_memory() {
    MemoryTerm out = KTRIAL_TRY(memory());
    KTRIAL_TRY(end());
    return out;
  }
  Result<Place> only_place() {
    Place out = KTRIAL_TRY(place(0));
    KTRIAL_TRY(end());
    return out;
  }

  Result<When> all() {
    When out;
    if (take("last"))
      out.last = true;
    else
      take("first");
    do {
      if (out.terms.size() == kMostTerms) return wrong_at(word(), "more than 8 parts");
      KTRIAL_TRY(term(out));
    } while (take("and"));
    if (!word().text.empty())
      return wrong_at(word(), spec::in_quotes(word().text) + ", where 'and' or the end has to be");
    return out;
  }

 private:
  const Word& word() const { return words_[at_]; }
  Word next() { return word().text.empty() ? word() : words_[at_++]; }
  bool take(std::string_view text) {
    if (word().text != text) return false;
    ++at_;
    return true;
  }
  Status end() const {
    if (word().text.empty()) return {};
    return wrong_at(word(), spec::in_quotes(word().text) + ", where the end has to be");
  }
  Status expect(std::string_view text) {
    if (take(text)) return {};
    return wrong_at(word(), fmt::format("'{}' is missing", text));
  }
  Result<std::uint64_t> number(const char* what) {
    const Word said = next();
    if (const auto value = value_of(said.text)) return *value;
    return wrong_at(said, fmt::format("{} has to be a number", what));
  }

  Status term(When& out) {
    if (take("vcpu")) return vcpu(out);
    if (width_of(word().text) == 0)
      return wrong_at(word(), "a condition begins with vcpu, u8, u16, u32 or u64");
    MemoryTerm compared = KTRIAL_TRY(memory());
    const Word comparison = next();
    const auto found = std::ranges::find(kComparisons, comparison.text,
                                         [](const auto& known) { return known.first; });
    if (found == kComparisons.end())
      return wrong_at(comparison, "a comparison has to be here: == != < <= > >= &");
    compared.is = found->second;
    compared.value = KTRIAL_TRY(number("what it is compared with"));
    if (compared.bytes < 8) compared.value &= (1ull << (8 * compared.bytes)) - 1;
    out.terms.emplace_back(std::move(compared));
    return {};
  }

  Result<MemoryTerm> memory() {
    const Word width = next();
    MemoryTerm out{.bytes = width_of(width.text)};
    if (out.bytes == 0) return wrong_at(width, "u8, u16, u32 or u64 has to be here");
    KTRIAL_TRY(expect("["));
    out.place = KTRIAL_TRY(place(0));
    KTRIAL_TRY(expect("]"));
    return out;
  }

  Status vcpu(When& out) {
    const auto cpu = static_cast<unsigned>(KTRIAL_TRY(number("a vCPU")));
    const bool negated = take("not");
    const Word verb = next();
    if (verb.text == "runs") {
      const auto pid = static_cast<std::uint32_t>(KTRIAL_TRY(number("a task's PID")));
      out.terms.emplace_back(TaskTerm{cpu, negated, pid, verb});
      return {};
    }
    if (verb.text != "in") return wrong_at(verb, "'in' or 'runs' has to be here");
    const Word where = next();
    if (where.text.empty()) return wrong_at(where, "a function, 'user' or 'kernel' is missing");
    out.terms.emplace_back(CodeTerm{cpu, negated, where});
    return {};
  }

  Result<Place> place(std::size_t depth) {
    if (depth == kMostNesting) return wrong_at(word(), "too many brackets");
    Place out;
    if (take("[")) {
      out.through.push_back(KTRIAL_TRY(place(depth + 1)));
      KTRIAL_TRY(expect("]"));
    } else {
      out.base = next();
      if (out.base.text.empty() || !is_of_a_name(out.base.text.front()))
        return wrong_at(out.base, "a symbol or an address is missing");
    }
    if (take("@")) {
      out.cpu = next();
      if (!value_of(out.cpu.text)) return wrong_at(out.cpu, "a number has to be here");
    }
    while (take("+")) {
      out.added.push_back(next());
      const std::string& text = out.added.back().text;
      if (!value_of(text) && !text.contains('.'))
        return wrong_at(out.added.back(), "a number or STRUCT.MEMBER has to be added");
    }
    return out;
  }

  std::vector<Word> words_;
  std::size_t at_ = 0;
};

class Resolver {
 public:
  Resolver(const Map& map, unsigned cpus) : map_(map), cpus_(cpus) {}

  Result<Term> term(const CodeTerm& code) const {
    KTRIAL_TRY(check_cpu(code.cpu, code.where));
    Term out{.negated = code.negated, .cpu = code.cpu};
    out.from = code.where.text == "kernel" ? kKernelHalf : 0;
    out.to = code.where.text == "kernel" ? ~0ull : kKernelHalf;
    if (code.where.text == "kernel" || code.where.text == "user") return out;
    const auto address = KTRIAL_TRY(symbol(code.where));
    const auto place = map_.symbols.find(address);
    out.from = address;
    // A last symbol has no end.
    out.to = place && place->size > 0 ? address - place->offset + place->size : address + 1;
    return out;
  }

  Result<Term> term(const TaskTerm& task) const {
    KTRIAL_TRY(check_cpu(task.cpu, task.word));
    const bool own = map_.symbols.address("current_task").has_value();
    const Word variable{own ? "current_task" : "pcpu_hot", task.word.column};
    MemoryTerm memory{.bytes = 4,
                      .place = {.added = {{"task_struct.pid", task.word.column}},
                                .through = {{.base = variable,
                                             .cpu = {std::to_string(task.cpu), task.word.column}}}},
                      .is = task.negated ? Term::Is::different : Term::Is::equal,
                      .value = task.pid};
    return term(memory);
  }

  Result<Term> term(const MemoryTerm& memory) const {
    Term out{.memory = true, .is = memory.is, .bytes = memory.bytes, .value = memory.value};
    KTRIAL_TRY(put(memory.place, out));
    if (out.offsets.size() > kMostPointers)
      return wrong_at(memory.place.base, "more than 4 pointers to be followed");
    return out;
  }

 private:
  Status put(const Place& place, Term& out) const {
    std::uint64_t sum = 0;
    for (const Word& added : place.added) sum += KTRIAL_TRY(offset(added));
    const bool is_task = place.base.text == "task" && !place.cpu.text.empty();
    if (!is_task) sum += KTRIAL_TRY(of_cpu(place.cpu));
    if (!place.through.empty()) {
      KTRIAL_TRY(put(place.through.front(), out));
      out.offsets.push_back(sum);
      return {};
    }
    const auto number = value_of(place.base.text);
    out.at = sum + (is_task  ? KTRIAL_TRY(task_at(place.cpu))
                    : number ? *number
                             : KTRIAL_TRY(symbol(place.base)));
    return {};
  }

  // What is added to a per-CPU variable's address.
  Result<std::uint64_t> of_cpu(const Word& word) const {
    if (word.text.empty()) return 0;
    const auto cpu = static_cast<unsigned>(*value_of(word.text));
    KTRIAL_TRY(check_cpu(cpu, word));
    if (cpu < map_.per_cpu.size()) return map_.per_cpu[cpu];
    return wrong_at(word, "where this kernel keeps per-CPU variables is not known");
  }

  Result<std::uint64_t> task_at(const Word& pid) const {
    const auto found = map_.task_structs.find(*value_of(pid.text));
    if (found != map_.task_structs.end()) return found->second;
    return wrong_at(pid, "at its end the run has no task " + pid.text +
                             " (autopsy.txt lists those that it has)");
  }

  Result<std::uint64_t> offset(const Word& word) const {
    if (const auto number = value_of(word.text)) return *number;
    if (!map_.types) return wrong_at(word, "this kernel tells nothing of its structures (no BTF)");
    const std::size_t dot = word.text.find('.');
    const auto at = map_.types->offset(word.text.substr(0, dot), word.text.substr(dot + 1));
    if (!at) return wrong_at(word, at.error().message);
    return *at;
  }

  Result<std::uint64_t> symbol(const Word& word) const {
    if (const auto address = map_.symbols.address(word.text)) return *address;
    return wrong_at(word, "the kernel of this run has no symbol " + spec::in_quotes(word.text));
  }

  Status check_cpu(unsigned cpu, const Word& word) const {
    if (cpu < cpus_) return {};
    return wrong_at(word, fmt::format("the machine has no vCPU {}, only {}", cpu, cpus_));
  }

  const Map& map_;
  unsigned cpus_;
};

std::string line_of(const vm::Change& change, const introspect::SymbolTable& all) {
  return fmt::format("{:>14}  {:<6} vCPU {}  {:<24} {}\n", change.instructions,
                     change.holds ? "holds" : "ceases", change.cpu,
                     change.pid < 0 ? "?" : fmt::format("{}/{}", change.comm, change.pid),
                     all.describe(change.address));
}

}  // namespace

Result<When> parse_when(std::string_view text) { return of_flag("--when", Parser(text).all()); }

Result<MemoryTerm> parse_word_of_memory(std::string_view text) {
  return of_flag("--show", Parser(text).word_of_memory());
}

Result<std::vector<Term>> resolve(const When& when, const Map& map, unsigned cpus) {
  if (map.tasks.image == 0)
    return fail(ErrorKind::environment, "where this kernel's memory lies was not found");
  std::vector<Term> out;
  const Resolver resolver(map, cpus);
  for (const auto& term : when.terms)
    out.push_back(KTRIAL_TRY(
        of_flag("--when", std::visit([&](const auto& one) { return resolver.term(one); }, term))));
  return out;
}

Result<Term> resolve(const MemoryTerm& word, const Map& map, unsigned cpus) {
  return of_flag("--show", Resolver(map, cpus).term(word));
}

Result<std::uint64_t> resolve_place(std::string_view text, const Map& map, unsigned cpus) {
  return of_flag("--watch", [&]() -> Result<std::uint64_t> {
    const MemoryTerm word{.bytes = 8, .place = KTRIAL_TRY(Parser(text).only_place())};
    const Term term = KTRIAL_TRY(Resolver(map, cpus).term(word));
    if (term.offsets.empty()) return term.at;
    return wrong_at({"", 1}, "a pointer leads there: ask --show for its value, and watch that");
  }());
}

std::optional<vm::Change> instant_of(const When& when, const vm::Changes& changes) {
  if (!when.last) return changes.first;
  const auto found =
      std::ranges::find_if(changes.last.rbegin(), changes.last.rend(), &vm::Change::holds);
  if (found == changes.last.rend()) return std::nullopt;
  return *found;
}

std::string text_of_changes(const When& when, const vm::Changes& changes, std::uint64_t end,
                            const introspect::SymbolTable& all) {
  const auto instant = instant_of(when, changes);
  if (!instant) return "It never holds.\n";
  const bool to_the_end = !changes.last.empty() && changes.last.back().holds;
  std::string out = fmt::format(
      "It begins to hold {} times; the {} time after {} instructions, {} before the end:\n{}{}\n",
      (changes.count + 1) / 2, when.last ? "last" : "first", instant->instructions,
      end - std::min(end, instant->instructions), line_of(*instant, all),
      to_the_end ? "At the end it holds." : "At the end it does not hold.");
  constexpr std::size_t kShown = 12;
  if (changes.count == 1) return out;
  const std::size_t from = changes.last.size() - std::min(changes.last.size(), kShown);
  out += fmt::format("The last of {} changes:\n", changes.count);
  for (std::size_t i = from; i < changes.last.size(); ++i) out += line_of(changes.last[i], all);
  return out;
}

}  // namespace ktrial::bundle
