#include "results/store/json.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace ktrial::results {
namespace {

std::string text_of(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}
double number_of(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : 0;
}
int int_of(const Json& object, const char* key, int fallback = 0) {
  auto it = object.find(key);
  if (it == object.end() || !it->is_number_integer()) return fallback;
  auto value = it->get<std::int64_t>();
  return value < INT32_MIN || value > INT32_MAX ? fallback : static_cast<int>(value);
}
std::uint64_t unsigned_of(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_number_unsigned() ? it->get<std::uint64_t>() : 0;
}
bool bool_of(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_boolean() && it->get<bool>();
}
// A list of objects (anything else in it is passed over).
template <class F>
void each_object(const Json& object, const char* key, F&& use) {
  auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return;
  for (const Json& item : *it)
    if (item.is_object()) use(item);
}

Json strings(const std::vector<std::string>& values) {
  Json out = Json::array();
  for (const auto& value : values) out.push_back(value);
  return out;
}
std::vector<std::string> strings_of(const Json& object, const char* key) {
  std::vector<std::string> out;
  auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return out;
  for (const Json& item : *it)
    if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}

// Names may repeat, so an object would lose some: a list of pairs.
Json pairs(const Facts& facts) {
  Json out = Json::array();
  for (const auto& [key, value] : facts) out.push_back({{"name", key}, {"value", value}});
  return out;
}
Facts facts_of(const Json& object, const char* key) {
  Facts out;
  each_object(object, key, [&](const Json& item) {
    out.emplace_back(text_of(item, "name"), text_of(item, "value"));
  });
  return out;
}

double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

Finding finding_from_json(const Json& json) {
  Finding f;
  f.title = text_of(json, "title");
  f.kind = text_of(json, "kind");
  f.culprit = text_of(json, "culprit");
  if (auto it = json.find("cpu"); it != json.end() && it->is_number_integer())
    f.cpu = int_of(json, "cpu");
  f.task = text_of(json, "task");
  f.first_line = unsigned_of(json, "first_line");
  f.last_line = unsigned_of(json, "last_line");
  f.corrupted = bool_of(json, "corrupted");
  f.excerpt = text_of(json, "excerpt");
  return f;
}

SpecSummary spec_from_json(const Json& json) {
  SpecSummary s;
  s.kernel = text_of(json, "kernel");
  s.workload = text_of(json, "workload");
  s.command = strings_of(json, "command");
  s.parameters = facts_of(json, "parameters");
  s.cpus = int_of(json, "cpus");
  s.memory_mib = int_of(json, "memory_mib");
  s.repeat = int_of(json, "repeat", 1);
  s.until_fail = bool_of(json, "until_fail");
  s.duration_s = number_of(json, "duration_s");
  s.timeout_s = number_of(json, "timeout_s");
  s.accel = text_of(json, "accel");
  s.vmm = text_of(json, "vmm");
  s.channel = text_of(json, "channel");
  s.machine = text_of(json, "machine");
  s.append = text_of(json, "append");
  s.trace = text_of(json, "trace");
  return s;
}

template <class Record>
void put_verdict(Json& out, const Record& record) {
  out["outcome"] = name(record.outcome);
  out["title"] = record.title;
  out["kind"] = record.kind;
  out["culprit"] = record.culprit;
  out["signature"] = record.signature;
  out["reason"] = record.reason;
}
template <class Record>
void take_verdict(const Json& json, Record& record) {
  record.title = text_of(json, "title");
  record.kind = text_of(json, "kind");
  record.culprit = text_of(json, "culprit");
  record.signature = text_of(json, "signature");
  record.reason = text_of(json, "reason");
}

Json to_json(const Subtest& test) {
  Json out = {{"name", test.name}, {"result", test.result}, {"reason", test.reason}};
  if (test.seconds) out["seconds"] = rounded(*test.seconds);
  return out;
}

Subtest subtest_from_json(const Json& json) {
  Subtest test{text_of(json, "name"), text_of(json, "result"), text_of(json, "reason"), {}};
  if (json.contains("seconds")) test.seconds = number_of(json, "seconds");
  return test;
}

Json to_json(const TraceStory& story) {
  Json cpus = Json::array(), forks = Json::array(), held = Json::array();
  for (const auto& one : story.cpus)
    cpus.push_back({{"cpu", one.cpu},
                    {"last_s", one.last_s},
                    {"last", one.last},
                    {"unfinished", one.unfinished},
                    {"longest_gap",
                     {{"seconds", one.gap_s},
                      {"from_s", one.gap_from_s},
                      {"idle", one.gap_idle},
                      {"open", one.gap_open}}}});
  for (const auto& one : story.forks)
    forks.push_back({{"at_s", one.at_s},
                     {"cpu", one.cpu},
                     {"parent", one.parent},
                     {"child", one.child},
                     {"child_ran", one.ran},
                     {"parent_waits", one.parent_waits}});
  for (const auto& one : story.held_off)
    held.push_back({{"since_s", one.since_s},
                    {"cpu", one.cpu},
                    {"task", one.task},
                    {"child", one.child},
                    {"child_ran", one.child_ran}});
  return {{"source", story.source},
          {"events", story.events},
          {"begin_s", story.begin_s},
          {"end_s", story.end_s},
          {"complete", story.missing.empty()},
          {"missing", strings(story.missing)},
          {"cpus", cpus},
          {"forks", forks},
          {"held_off", held}};
}

TraceStory story_from_json(const Json& json) {
  TraceStory out;
  const auto cpu_of = [](const Json& item) {
    return static_cast<unsigned>(std::max(0, int_of(item, "cpu")));
  };
  out.source = text_of(json, "source");
  out.events = unsigned_of(json, "events");
  out.begin_s = number_of(json, "begin_s");
  out.end_s = number_of(json, "end_s");
  out.missing = strings_of(json, "missing");
  each_object(json, "cpus", [&](const Json& item) {
    TraceStory::Cpu one{cpu_of(item), number_of(item, "last_s"), text_of(item, "last"),
                        bool_of(item, "unfinished")};
    if (auto gap = item.find("longest_gap"); gap != item.end() && gap->is_object()) {
      one.gap_s = number_of(*gap, "seconds");
      one.gap_from_s = number_of(*gap, "from_s");
      one.gap_idle = bool_of(*gap, "idle");
      one.gap_open = bool_of(*gap, "open");
    }
    out.cpus.push_back(std::move(one));
  });
  each_object(json, "forks", [&](const Json& item) {
    out.forks.push_back({number_of(item, "at_s"), cpu_of(item), text_of(item, "parent"),
                         text_of(item, "child"), bool_of(item, "child_ran"),
                         bool_of(item, "parent_waits")});
  });
  each_object(json, "held_off", [&](const Json& item) {
    out.held_off.push_back({number_of(item, "since_s"), cpu_of(item), text_of(item, "task"),
                            text_of(item, "child"), bool_of(item, "child_ran")});
  });
  return out;
}

}  // namespace

Json to_json(const Finding& finding) {
  Json out;
  out["title"] = finding.title;
  out["kind"] = finding.kind;
  out["culprit"] = finding.culprit;
  out["cpu"] = finding.cpu ? Json(*finding.cpu) : Json();
  out["task"] = finding.task;
  out["first_line"] = finding.first_line;
  out["last_line"] = finding.last_line;
  out["corrupted"] = finding.corrupted;
  if (!finding.excerpt.empty()) out["excerpt"] = finding.excerpt;
  return out;
}

Json to_json(const TrialRecord& trial) {
  Json out;
  put_verdict(out, trial);
  out["duration_s"] = rounded(trial.duration_s);
  out["boot_s"] = rounded(trial.boot_s);
  out["accel"] = trial.accel;
  out["channel"] = trial.channel;
  out["vmm"] = trial.vmm;
  out["artifacts"] = trial.artifacts.string();
  out["index"] = trial.index;
  out["started_at"] = to_text(trial.started_at);
  out["findings"] = Json::array();
  for (const Finding& finding : trial.findings) out["findings"].push_back(to_json(finding));
  if (!trial.subtests.empty()) {
    out["subtests"] = Json::array();
    for (const Subtest& test : trial.subtests) out["subtests"].push_back(to_json(test));
  }
  if (!trial.incident.empty())
    out["incident"] = {{"chain", strings(trial.incident.chain)},
                       {"victims", strings(trial.incident.victims)},
                       {"autopsy", trial.incident.autopsy},
                       {"no_autopsy", trial.incident.no_autopsy}};
  if (!trial.trace.empty()) out["trace"] = to_json(trial.trace);
  out["counters"] = Json::array();
  for (const auto& [key, value] : trial.counters)
    out["counters"].push_back({{"name", key}, {"value", value}});
  out["facts"] = pairs(trial.facts);
  return out;
}

Json to_json(const SpecSummary& spec) {
  return {{"kernel", spec.kernel},
          {"workload", spec.workload},
          {"command", strings(spec.command)},
          {"parameters", pairs(spec.parameters)},
          {"cpus", spec.cpus},
          {"memory_mib", spec.memory_mib},
          {"repeat", spec.repeat},
          {"until_fail", spec.until_fail},
          {"duration_s", spec.duration_s},
          {"timeout_s", spec.timeout_s},
          {"accel", spec.accel},
          {"vmm", spec.vmm},
          {"channel", spec.channel},
          {"machine", spec.machine},
          {"append", spec.append},
          {"trace", spec.trace}};
}

Json to_json(const RunRecord& run) {
  Json out;
  put_verdict(out, run);
  out["trials"] = Json::array();
  for (const TrialRecord& trial : run.trials) out["trials"].push_back(to_json(trial));
  out["id"] = run.id;
  out["state"] = name(run.state);
  out["directory"] = run.directory.string();
  out["spec"] = to_json(run.spec);
  out["argv"] = strings(run.argv);
  out["working_dir"] = run.working_dir.string();
  out["started_at"] = to_text(run.started_at);
  out["finished_at"] = run.finished_at ? Json(to_text(*run.finished_at)) : Json();
  out["facts"] = pairs(run.facts);
  if (!run.unreadable.empty()) out["unreadable"] = strings(run.unreadable);
  return out;
}

std::optional<TrialRecord> trial_from_json(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  auto outcome = parse_outcome(text_of(json, "outcome"));
  if (!outcome) return std::nullopt;
  TrialRecord trial;
  trial.outcome = *outcome;
  take_verdict(json, trial);
  trial.duration_s = number_of(json, "duration_s");
  trial.boot_s = number_of(json, "boot_s");
  trial.accel = text_of(json, "accel");
  trial.channel = text_of(json, "channel");
  trial.vmm = text_of(json, "vmm");
  trial.artifacts = text_of(json, "artifacts");
  trial.index = int_of(json, "index");
  trial.started_at = time_from_text(text_of(json, "started_at")).value_or(TimePoint{});
  each_object(json, "findings",
              [&](const Json& item) { trial.findings.push_back(finding_from_json(item)); });
  each_object(json, "subtests",
              [&](const Json& item) { trial.subtests.push_back(subtest_from_json(item)); });
  if (auto it = json.find("incident"); it != json.end() && it->is_object())
    trial.incident = {strings_of(*it, "chain"), strings_of(*it, "victims"),
                      text_of(*it, "autopsy"), text_of(*it, "no_autopsy")};
  if (auto it = json.find("trace"); it != json.end() && it->is_object())
    trial.trace = story_from_json(*it);
  each_object(json, "counters", [&](const Json& item) {
    trial.counters.emplace_back(text_of(item, "name"), unsigned_of(item, "value"));
  });
  trial.facts = facts_of(json, "facts");
  return trial;
}

std::optional<RunRecord> run_from_json(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  RunRecord run;
  run.id = text_of(json, "id");
  auto state = parse_run_state(text_of(json, "state"));
  auto outcome = parse_outcome(text_of(json, "outcome"));
  if (run.id.empty() || !state || !outcome) return std::nullopt;
  run.state = *state;
  run.outcome = *outcome;
  take_verdict(json, run);
  each_object(json, "trials", [&](const Json& item) {
    if (auto trial = trial_from_json(item)) run.trials.push_back(std::move(*trial));
  });
  run.directory = text_of(json, "directory");
  if (auto it = json.find("spec"); it != json.end() && it->is_object())
    run.spec = spec_from_json(*it);
  run.argv = strings_of(json, "argv");
  run.working_dir = text_of(json, "working_dir");
  run.started_at = time_from_text(text_of(json, "started_at")).value_or(TimePoint{});
  run.finished_at = time_from_text(text_of(json, "finished_at"));
  run.facts = facts_of(json, "facts");
  return run;
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}
std::string dump_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}
std::optional<Json> parse_json(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

std::string to_text(TimePoint time) {
  using namespace std::chrono;
  const auto ms = floor<milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000 - (ms % 1000 < 0));
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32], out[48];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(out, sizeof out, "%s.%03dZ", date, static_cast<int>((ms % 1000 + 1000) % 1000));
  return out;
}

std::optional<TimePoint> time_from_text(std::string_view text) {
  std::tm utc{};
  int ms = 0, used = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &utc.tm_year, &utc.tm_mon,
                  &utc.tm_mday, &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &ms, &used) != 7 ||
      static_cast<std::size_t>(used) != copy.size())
    return std::nullopt;
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  return std::chrono::system_clock::from_time_t(timegm(&utc)) + std::chrono::milliseconds(ms);
}

}  // namespace ktrial::results
