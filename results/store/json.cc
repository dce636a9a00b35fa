#include "results/store/json.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "results/store/json_fields.h"
#include "results/store/json_story.h"

namespace ktrial::results {
namespace {

double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

Finding finding_from_json(const Json& json) {
  Finding f;
  f.title = text_of(json, "title");
  f.kind = RecordedKind::parse(text_of(json, "kind"));
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

void put_verdict(Json& out, const Verdict& verdict) {
  out["outcome"] = name(verdict.outcome);
  out["title"] = verdict.title;
  out["kind"] = verdict.kind.name();
  out["culprit"] = verdict.culprit;
  out["signature"] = verdict.signature;
  out["reason"] = verdict.reason;
}
std::optional<Verdict> verdict_of(const Json& json) {
  const auto outcome = parse_outcome(text_of(json, "outcome"));
  if (!outcome) return std::nullopt;
  return Verdict{*outcome,
                 text_of(json, "title"),
                 RecordedKind::parse(text_of(json, "kind")),
                 text_of(json, "culprit"),
                 text_of(json, "signature"),
                 text_of(json, "reason")};
}

// What is not known is left out.
void put(Json& out, const char* key, const std::string& value) {
  if (!value.empty()) out[key] = value;
}

Json to_json(const KernelFacts& kernel) {
  Json out = Json::object();
  put(out, "release", kernel.release);
  put(out, "commit", kernel.commit);
  put(out, "architecture", kernel.architecture);
  put(out, "compiler", kernel.compiler);
  put(out, "config_sha256", kernel.config_sha256);
  put(out, "image_sha256", kernel.image_sha256);
  return out;
}
KernelFacts kernel_from_json(const Json& json) {
  return {text_of(json, "release"),  text_of(json, "commit"),        text_of(json, "architecture"),
          text_of(json, "compiler"), text_of(json, "config_sha256"), text_of(json, "image_sha256")};
}

Json to_json(const HostFacts& host) {
  Json out = Json::object();
  put(out, "name", host.name);
  put(out, "cpu", host.cpu);
  if (host.cores > 0) out["cores"] = host.cores;
  put(out, "kernel", host.kernel);
  put(out, "qemu", host.qemu);
  return out;
}
HostFacts host_from_json(const Json& json) {
  return {text_of(json, "name"), text_of(json, "cpu"), int_of(json, "cores"),
          text_of(json, "kernel"), text_of(json, "qemu")};
}

Determinism determinism_from_json(const Json& json) {
  Determinism out;
  out.seed = int_of(json, "seed");
  out.shift = int_of(json, "shift");
  out.argv = strings_of(json, "argv");
  out.qemu_version = text_of(json, "qemu_version");
  out.qemu_sha256 = text_of(json, "qemu_sha256");
  out.kernel_sha256 = text_of(json, "kernel_sha256");
  out.initramfs_sha256 = text_of(json, "initramfs_sha256");
  out.held = text_of(json, "held");
  out.not_held = text_of(json, "not_held");
  out.instructions = unsigned_of(json, "instructions");
  if (const auto list = json.find("by_cpu"); list != json.end() && list->is_array())
    for (const Json& count : *list)
      out.by_cpu.push_back(count.is_number_unsigned() ? count.get<std::uint64_t>() : 0);
  out.console_bytes = unsigned_of(json, "console_bytes");
  out.console_sha256 = text_of(json, "console_sha256");
  out.registers_sha256 = text_of(json, "registers_sha256");
  out.ram_sha256 = text_of(json, "ram_sha256");
  out.runs = int_of(json, "runs");
  out.parted = text_of(json, "parted");
  return out;
}

Subtest subtest_from_json(const Json& json) {
  Subtest test{text_of(json, "name"), text_of(json, "result"), text_of(json, "reason"), {}};
  if (json.contains("seconds")) test.seconds = number_of(json, "seconds");
  return test;
}

}  // namespace

Json to_json(const Determinism& one) {
  Json out;
  out["seed"] = one.seed;
  out["shift"] = one.shift;
  out["argv"] = strings(one.argv);
  out["qemu_version"] = one.qemu_version;
  out["qemu_sha256"] = one.qemu_sha256;
  out["kernel_sha256"] = one.kernel_sha256;
  out["initramfs_sha256"] = one.initramfs_sha256;
  out["held"] = one.held;
  put(out, "not_held", one.not_held);
  out["instructions"] = one.instructions;
  out["by_cpu"] = one.by_cpu;
  out["console_bytes"] = one.console_bytes;
  out["console_sha256"] = one.console_sha256;
  out["registers_sha256"] = one.registers_sha256;
  out["ram_sha256"] = one.ram_sha256;
  out["runs"] = one.runs;
  out["parted"] = one.parted;
  return out;
}

Json document(Json content) {
  Json out = {{"schema", kSchema}, {"ktrial_version", ktrial_version()}};
  out.update(content);
  return out;
}

Json to_json(const Finding& finding) {
  Json out;
  out["title"] = finding.title;
  out["kind"] = finding.kind.name();
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
  put_verdict(out, trial.verdict);
  out["duration_s"] = rounded(trial.duration_s);
  out["boot_s"] = rounded(trial.boot_s);
  out["accel"] = trial.accel;
  out["channel"] = trial.channel;
  out["vmm"] = trial.vmm;
  put(out, "start", trial.start);
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
  if (trial.determinism) out["determinism"] = to_json(*trial.determinism);
  out["counters"] = Json::array();
  for (const auto& [key, value] : trial.counters)
    out["counters"].push_back({{"name", key}, {"value", value}});
  out["kernel"] = to_json(trial.kernel);
  out["host"] = to_json(trial.host);
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
  put_verdict(out, run.verdict);
  out["trials"] = Json::array();
  for (const TrialRecord& trial : run.trials) out["trials"].push_back(to_json(trial));
  out["id"] = run.id;
  put(out, "campaign", run.part_of.campaign);
  put(out, "cell", run.part_of.cell);
  put(out, "recorded_by", run.recorded_by);
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
  auto verdict = verdict_of(json);
  if (!verdict) return std::nullopt;
  TrialRecord trial;
  trial.verdict = std::move(*verdict);
  trial.duration_s = number_of(json, "duration_s");
  trial.boot_s = number_of(json, "boot_s");
  trial.accel = text_of(json, "accel");
  trial.channel = text_of(json, "channel");
  trial.vmm = text_of(json, "vmm");
  trial.start = text_of(json, "start");
  trial.artifacts = text_of(json, "artifacts");
  trial.index = int_of(json, "index");
  trial.started_at = time_from_text(text_of(json, "started_at")).value_or(TimePoint{});
  each_object(json, "findings",
              [&](const Json& item) { trial.findings.push_back(finding_from_json(item)); });
  each_object(json, "subtests",
              [&](const Json& item) { trial.subtests.push_back(subtest_from_json(item)); });
  if (const Json* incident = object_in(json, "incident"))
    trial.incident = {strings_of(*incident, "chain"), strings_of(*incident, "victims"),
                      text_of(*incident, "autopsy"), text_of(*incident, "no_autopsy")};
  if (const Json* trace = object_in(json, "trace")) trial.trace = story_from_json(*trace);
  if (const Json* exact = object_in(json, "determinism"))
    trial.determinism = determinism_from_json(*exact);
  each_object(json, "counters", [&](const Json& item) {
    trial.counters.emplace_back(text_of(item, "name"), unsigned_of(item, "value"));
  });
  if (const Json* kernel = object_in(json, "kernel")) trial.kernel = kernel_from_json(*kernel);
  if (const Json* host = object_in(json, "host")) trial.host = host_from_json(*host);
  trial.facts = facts_of(json, "facts");
  return trial;
}

std::optional<RunRecord> run_from_json(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  RunRecord run;
  run.id = text_of(json, "id");
  auto state = parse_run_state(text_of(json, "state"));
  auto verdict = verdict_of(json);
  if (run.id.empty() || !state || !verdict) return std::nullopt;
  run.state = *state;
  run.verdict = std::move(*verdict);
  run.recorded_by = text_of(json, "recorded_by");
  run.part_of = {text_of(json, "campaign"), text_of(json, "cell")};
  each_object(json, "trials", [&](const Json& item) {
    if (auto trial = trial_from_json(item)) run.trials.push_back(std::move(*trial));
  });
  run.directory = text_of(json, "directory");
  if (const Json* spec = object_in(json, "spec")) run.spec = spec_from_json(*spec);
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

Json to_json(const Subtest& test) {
  Json out = {{"name", test.name}, {"result", test.result}, {"reason", test.reason}};
  if (test.seconds) out["seconds"] = rounded(*test.seconds);
  return out;
}

}  // namespace ktrial::results
