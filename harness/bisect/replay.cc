#include "harness/bisect/replay.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <set>

namespace ktrial::bisect {
namespace {

constexpr double kMostSeconds = 1e9;
constexpr int kMostRuns = 1'000'000;

std::string_view take_word(std::string_view& rest) {
  const std::size_t from = std::min(rest.find_first_not_of(' '), rest.size());
  const std::size_t to = std::min(rest.find(' ', from), rest.size());
  const std::string_view word = rest.substr(from, to - from);
  rest.remove_prefix(to);
  return word;
}

template <class T>
bool parse_number(std::string_view word, T least, T most, T& out, auto... base) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out, base...);
  return error == std::errc() && end == word.data() + word.size() && out >= least && out <= most;
}

// Reads one line's words; the first thing wrong is kept.
struct LineReader {
  std::string_view rest;
  std::string wrong = {};

  std::string id() {
    const std::string_view word = take_word(rest);
    if (word.empty()) complain("a commit is missing");
    return std::string(word);
  }
  template <class T>
  T number(const char* what, T least, T most, auto... base) {
    const std::string_view word = take_word(rest);
    T out{};
    if (!parse_number(word, least, most, out, base...))
      complain(fmt::format("{} is not {}", word.empty() ? "nothing" : word, what));
    return out;
  }
  std::optional<double> rate() {
    std::string_view peek = rest;
    if (take_word(peek) != "?") return number<double>("a rate from 0 to 1, or ?", 0, 1);
    rest = peek;
    return std::nullopt;
  }
  double seconds() { return number<double>("a number of seconds", 0, kMostSeconds); }
  void end() {
    if (!take_word(rest).empty()) complain("there is more than belongs there");
  }
  void complain(std::string what) {
    if (wrong.empty()) wrong = std::move(what);
  }
};

struct Ends {
  std::vector<std::string> good, bad;
};

void read_direction(LineReader& in, Settings& settings) {
  const std::string_view word = take_word(in.rest);
  if (word != "bug" && word != "fix") in.complain("neither bug nor fix");
  settings.direction = word == "fix" ? Direction::fix : Direction::bug;
}

// False: the key is none of the header's.
bool read_header(std::string_view key, LineReader& in, LogHeader& header, Ends& ends) {
  constexpr auto kAnyHash = std::numeric_limits<std::uint64_t>::max();
  Settings& settings = header.settings;
  if (key == "direction") {
    read_direction(in, settings);
  } else if (key == "good" || key == "bad") {
    (key == "good" ? ends.good : ends.bad).push_back(in.id());
  } else if (key == "confidence") {
    settings.confidence = in.number<double>("a confidence from 0.5 to 1", 0.5, 1);
  } else if (key == "rates") {
    settings.rates.with_bug = in.rate();
    settings.rates.without_bug = in.rate();
  } else if (key == "cost") {
    settings.costs.build = in.seconds();
    settings.costs.run = in.seconds();
    settings.costs.parallel = in.number<int>("a number of runs at a time", 1, kMostRuns);
  } else if (key == "ends") {
    settings.failing_end_fails = in.number<int>("a number of fails", 0, kMostRuns);
    settings.failing_end_max_runs = in.number<int>("a number of runs", 0, kMostRuns);
    settings.clean_end_runs = in.number<int>("a number of runs", 0, kMostRuns);
  } else if (key == "graph") {
    header.graph_hash = in.number<std::uint64_t>("a hash", 0, kAnyHash, 16);
  } else if (key == "prior") {
    header.prior_hash = in.number<std::uint64_t>("a hash", 0, kAnyHash, 16);
  } else {
    return false;
  }
  in.end();
  return true;
}

RunEvent read_run(LineReader& in) {
  RunEvent run;
  run.commit = in.id();
  const std::string_view outcome = take_word(in.rest);
  if (outcome != "fail" && outcome != "pass" && outcome != "other")
    in.complain("the outcome is none of fail, pass and other");
  run.outcome = outcome == "fail"   ? RunOutcome::fail
                : outcome == "pass" ? RunOutcome::pass
                                    : RunOutcome::other;
  run.seconds = in.seconds();
  if (run.outcome == RunOutcome::other)
    run.share = in.number<double>("a share of a run, from 0 to 1", 0, 1);
  in.end();
  return run;
}

std::optional<Event> read_event(std::string_view key, LineReader& in) {
  if (key == "run") return read_run(in);
  if (key == "built") {
    BuiltEvent built{.commit = in.id(), .seconds = in.seconds()};
    in.end();
    return built;
  }
  if (key == "skip") {
    SkipEvent skip{.commit = in.id(), .seconds = in.seconds()};
    if (in.rest.starts_with(' ')) in.rest.remove_prefix(1);
    skip.reason = in.rest;
    return skip;
  }
  return std::nullopt;
}

constexpr const char* kHeaderKeys[] = {"direction", "confidence", "rates", "cost",
                                       "ends",      "graph",      "prior"};

Status finish_header(LogHeader& header, Ends ends, const std::set<std::string, std::less<>>& seen,
                     const std::string& file) {
  const char* hint = "start a new search, or name a log of `ktrial bisect`";
  for (const char* key : kHeaderKeys)
    if (!seen.contains(key))
      return usage_error(fmt::format("{}: no `{}` line before the events", file, key), hint);
  const bool bug = header.settings.direction == Direction::bug;
  std::vector<std::string>& news = bug ? ends.bad : ends.good;
  header.old_ends = bug ? ends.good : ends.bad;
  if (news.size() != 1 || header.old_ends.empty())
    return usage_error(
        fmt::format("{}: {} good and {} bad ends, where {} belong", file, ends.good.size(),
                    ends.bad.size(), bug ? "one bad and some good" : "one good and some bad"),
        hint);
  header.new_end = news[0];
  return {};
}

std::string rate_text(const std::optional<double>& rate) {
  return rate ? fmt::format("{}", *rate) : "?";
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text;
}

}  // namespace

std::uint64_t prior_hash(std::span<const double> weights) {
  std::uint64_t value = 0;
  for (const double weight : weights)
    value = (value ^ std::bit_cast<std::uint64_t>(weight)) * 1099511628211u + 1;
  return value;
}

std::string print_header(const LogHeader& header) {
  const Settings& s = header.settings;
  const bool bug = s.direction == Direction::bug;
  std::string out = fmt::format("# ktrial bisect log\ndirection {}\n", bug ? "bug" : "fix");
  for (const std::string& id : header.old_ends)
    out += fmt::format("{} {}\n", bug ? "good" : "bad", id);
  out += fmt::format("{} {}\n", bug ? "bad" : "good", header.new_end);
  out += fmt::format("confidence {}\nrates {} {}\ncost {} {} {}\nends {} {} {}\n", s.confidence,
                     rate_text(s.rates.with_bug), rate_text(s.rates.without_bug), s.costs.build,
                     s.costs.run, s.costs.parallel, s.failing_end_fails, s.failing_end_max_runs,
                     s.clean_end_runs);
  return out + fmt::format("graph {:x}\nprior {:x}\n", header.graph_hash, header.prior_hash);
}

std::string print_event(const Event& event) {
  if (const auto* built = std::get_if<BuiltEvent>(&event))
    return fmt::format("built {} {}\n", built->commit, built->seconds);
  if (const auto* skip = std::get_if<SkipEvent>(&event))
    return one_line(fmt::format("skip {} {} {}", skip->commit, skip->seconds, skip->reason)) + '\n';
  const auto& run = std::get<RunEvent>(event);
  switch (run.outcome) {
    case RunOutcome::fail:
      return fmt::format("run {} fail {}\n", run.commit, run.seconds);
    case RunOutcome::pass:
      return fmt::format("run {} pass {}\n", run.commit, run.seconds);
    case RunOutcome::other:
      break;
  }
  return fmt::format("run {} other {} {}\n", run.commit, run.seconds, run.share);
}

Result<Log> parse_log(std::string_view text, const std::string& file) {
  Log log;
  Ends ends;
  std::set<std::string, std::less<>> seen;
  for (std::size_t line = 1, at = 0, end; (end = text.find('\n', at)) != std::string_view::npos;
       ++line, at = log.valid_bytes = end + 1) {
    LineReader in{text.substr(at, end - at)};
    if (in.rest.starts_with('#') || in.rest.find_first_not_of(' ') == std::string_view::npos)
      continue;
    if (std::ranges::any_of(in.rest, [](unsigned char c) { return c < ' '; }))
      in.complain("a control character");
    const std::string key(take_word(in.rest));
    if (std::optional<Event> event = read_event(key, in)) {
      if (log.events.empty()) KTRIAL_TRY(finish_header(log.header, ends, seen, file));
      log.events.push_back(std::move(*event));
      log.lines.push_back(line);
    } else if (!log.events.empty() || !read_header(key, in, log.header, ends)) {
      in.complain(log.events.empty() ? "unknown key" : "no event, and the header is over");
    } else if (key != "good" && key != "bad" && !seen.insert(key).second) {
      in.complain("given twice");
    }
    if (!in.wrong.empty())
      return usage_error(fmt::format("{}:{}: {}: {}", file, line, key, in.wrong),
                         "mend the line, or delete it and what follows to go on from there");
  }
  if (log.events.empty()) KTRIAL_TRY(finish_header(log.header, ends, seen, file));
  return log;
}

Status tell(Engine& engine, const Event& event) {
  const std::string& id =
      std::visit([](const auto& e) -> const std::string& { return e.commit; }, event);
  const CommitGraph::Index commit = KTRIAL_TRY(engine.graph().find(id));
  if (const auto* built = std::get_if<BuiltEvent>(&event)) {
    engine.built(commit, built->seconds);
  } else if (const auto* skip = std::get_if<SkipEvent>(&event)) {
    engine.skip(commit, skip->seconds);
  } else {
    const auto& run = std::get<RunEvent>(event);
    Counts counts;
    counts.fails = run.outcome == RunOutcome::fail;
    counts.passes = run.outcome == RunOutcome::pass;
    counts.censored = run.outcome == RunOutcome::other;
    if (counts.passes) counts.exposure_millionths = 1'000'000;
    if (counts.censored) counts.exposure_millionths = std::llround(run.share * 1e6);
    engine.observe(commit, counts, run.seconds);
  }
  return {};
}

Result<Engine> replay(const CommitGraph& graph, const Log& log, std::vector<double> weights,
                      const std::string& file) {
  if (graph.hash() != log.header.graph_hash)
    return usage_error(file + ": the log is of another history",
                       "the ends or the tree have changed since; start a new search");
  if (prior_hash(weights) != log.header.prior_hash)
    return usage_error(file + ": the log is of a search with another prior over the commits",
                       "give the same paths as then, or start a new search");
  Settings settings = log.header.settings;
  settings.weights = std::move(weights);
  Engine engine = KTRIAL_TRY(Engine::create(graph, std::move(settings)));
  for (std::size_t i = 0; i < log.events.size(); ++i)
    if (Status status = tell(engine, log.events[i]); !status)
      return std::unexpected(
          std::move(status).error().in(fmt::format("{}:{}", file, log.lines[i])));
  return engine;
}

}  // namespace ktrial::bisect
