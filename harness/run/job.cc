#include "harness/run/job.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/base/file.h"
#include "harness/run/text_bytes.h"
#include "harness/spec/parse.h"
#include "harness/spec/validate.h"

namespace ktrial::run {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
namespace {

constexpr std::size_t kMaxFile = 16u << 20;  // bytes

// The keys of each struct, once, for writer and reader alike. A field that is added to the struct
// and not named here does not compile.
template <class Io>
void describe(Io&& io, spec::TrialSpec& spec) {
  auto& [kernel, workload, parameters, parameter_places, cpus, memory_mib, repeat, until_fail,
         duration, timeout, trace, trace_buffer_kib, trace_clock, trace_stop, core, fail_on, accel,
         vmm, connect, channel, machine, append, start, guest_seed, confirm_cold, keep_machine,
         deterministic, seed, shift, one_thread, delay_at, perturb, command, root, cwd, env, shares,
         input, output, axes] = spec;
  io("kernel", kernel);
  io("workload", workload);
  io("parameters", parameters);
  io("parameter_places", parameter_places);
  io("cpus", cpus);
  io("memory_mib", memory_mib);
  io("repeat", repeat);
  io("until_fail", until_fail);
  io("duration_ms", duration);
  io("timeout_ms", timeout);
  io("trace", trace);
  io("trace_buffer_kib", trace_buffer_kib);
  io("trace_clock", trace_clock);
  io("trace_stop", trace_stop);
  io("core", core);
  io("fail_on", fail_on);
  io("accel", accel);
  io("vmm", vmm);
  io("connect", connect);
  io("channel", channel);
  io("machine", machine);
  io("append", append);
  io("start", start);
  io("guest_seed", guest_seed);
  io("confirm_cold", confirm_cold);
  io("keep_machine", keep_machine);
  io("deterministic", deterministic);
  io("seed", seed);
  io("shift", shift);
  io("one_thread", one_thread);
  io("delay_at", delay_at);
  io("perturb", perturb);
  io("command", command);
  io("root", root);
  io("cwd", cwd);
  io("env", env);
  io("shares", shares);
  io("input", input);
  io("output", output);
  io("axes", axes);
}

template <class Io>
void describe(Io&& io, Build& build) {
  auto& [tree, fragments, base_config, compiler, jobs] = build;
  io("tree", tree);
  io("fragments", fragments);
  io("base_config", base_config);
  io("compiler", compiler);
  io("jobs", jobs);
}

template <class Io>
void describe(Io&& io, Job& job) {
  auto& [spec, build, results, cache, offline, argv, working_dir, beside_vcpus, of_many, introspect,
         boots, initramfs, kernel_only, campaign, cell] = job;
  io("spec", spec);
  io("build", build);
  io("results", results);
  io("cache", cache);
  io("offline", offline);
  io("argv", argv);
  io("working_dir", working_dir);
  io("beside_vcpus", beside_vcpus);
  io("of_many", of_many);
  io("introspect", introspect);
  io("boots", boots);
  io("initramfs", initramfs);
  io("kernel_only", kernel_only);
  io("campaign", campaign);
  io("cell", cell);
}

// ---- values -> JSON

Json encode(const std::string& text) {
  if (is_utf8(text)) return text;
  return Json{{"latin1", latin1_to_utf8(text)}};
}
Json encode(const fs::path& path) { return encode(path.string()); }
Json encode(int value) { return value; }
Json encode(unsigned value) { return value; }
Json encode(bool value) { return value; }
Json encode(spec::Milliseconds value) { return value.count(); }
template <class E>
  requires std::is_enum_v<E>
Json encode(E value) {
  return name(value);
}
template <class T>
Json encode(const std::optional<T>& value) {
  return value ? encode(*value) : Json();
}
template <class T>
  requires(!requires(T item) { item.second; })
Json encode(const std::vector<T>& list) {
  Json out = Json::array();
  for (const T& item : list) out.push_back(encode(item));
  return out;
}
// A list of pairs: a key may be any text, and an object's keys are UTF-8.
template <class Pairs>
  requires requires(const Pairs& pairs) { pairs.begin()->second; }
Json encode(const Pairs& pairs) {
  Json out = Json::array();
  for (const auto& [key, value] : pairs) out.push_back(Json::array({encode(key), encode(value)}));
  return out;
}

template <class T>
concept Described = std::same_as<T, spec::TrialSpec> || std::same_as<T, Build>;

struct Writer {
  Json& out;
  template <class T>
  void operator()(const char* key, T& value) const {
    if constexpr (Described<T>) {
      out[key] = Json::object();
      describe(Writer{out[key]}, value);
    } else {
      out[key] = encode(value);
    }
  }
};

// ---- JSON -> values: empty, or what the value must be

using Complaint = std::string;

Complaint decode(const Json& json, std::string& text) {
  if (json.is_string()) {
    text = json.get<std::string>();
    return {};
  }
  if (json.is_object() && json.size() == 1 && json.contains("latin1") && json["latin1"].is_string())
    if (auto bytes = utf8_to_latin1(json["latin1"].get<std::string>())) {
      text = *std::move(bytes);
      return {};
    }
  return "must be a string";
}
Complaint decode(const Json& json, fs::path& path) {
  std::string text;
  Complaint wrong = decode(json, text);
  if (wrong.empty()) path = text;
  return wrong;
}
template <std::integral T>
  requires(!std::same_as<T, bool>)
Complaint decode(const Json& json, T& value) {
  if (!json.is_number_integer()) return "must be an integer";
  // A number beyond 64 bits signed is none of ours.
  if (json.is_number_unsigned() &&
      json.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
    return "is out of range";
  const auto number = json.get<std::int64_t>();
  if (!std::in_range<T>(number)) return "is out of range";
  value = static_cast<T>(number);
  return {};
}
Complaint decode(const Json& json, bool& value) {
  if (!json.is_boolean()) return "must be true or false";
  value = json.get<bool>();
  return {};
}
Complaint decode(const Json& json, spec::Milliseconds& value) {
  std::int64_t count = 0;
  if (Complaint wrong = decode(json, count); !wrong.empty()) return wrong;
  if (count < 0 || count > spec::kMaxDuration.count()) return "is out of range";
  value = spec::Milliseconds(count);
  return {};
}
template <class E>
Complaint decode_name(const Json& json, E& value, Result<E> (*parse)(std::string_view)) {
  if (!json.is_string()) return "must be a string";
  auto parsed = parse(json.get<std::string>());
  if (!parsed) return parsed.error().message;
  value = *parsed;
  return {};
}
Complaint decode(const Json& json, spec::Accel& value) {
  return decode_name(json, value, spec::parse_accel);
}
Complaint decode(const Json& json, spec::Vmm& value) {
  return decode_name(json, value, spec::parse_vmm);
}
Complaint decode(const Json& json, spec::Start& value) {
  return decode_name(json, value, spec::parse_start);
}
Complaint decode(const Json& json, spec::ChannelKind& value) {
  return decode_name(json, value, spec::parse_channel);
}
template <class T>
Complaint decode(const Json& json, std::optional<T>& value) {
  if (json.is_null()) {
    value.reset();
    return {};
  }
  return decode(json, value.emplace());
}
Complaint decode(const Json& json, std::pair<std::string, std::string>& pair) {
  if (json.is_array() && json.size() == 2 && decode(json[0], pair.first).empty() &&
      decode(json[1], pair.second).empty())
    return {};
  return "must be a pair of strings";
}
template <class T>
Complaint decode(const Json& json, std::vector<T>& list) {
  if (!json.is_array()) return "must be a list";
  list.clear();
  for (const Json& item : json)
    if (Complaint wrong = decode(item, list.emplace_back()); !wrong.empty())
      return "each of the list " + wrong;
  return {};
}
Complaint decode(const Json& json, std::map<std::string, std::string>& map) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (Complaint wrong = decode(json, pairs); !wrong.empty()) return wrong;
  map = {pairs.begin(), pairs.end()};
  return map.size() == pairs.size() ? "" : "names a key twice";
}

// Reads an object; finish() finds the keys that nobody asked for.
class Reader {
 public:
  Reader(const Json& object, std::string prefix, std::vector<std::string>& problems)
      : object_(object), prefix_(std::move(prefix)), problems_(problems) {}

  template <class T>
  void operator()(const char* key, T& value) {
    known_.push_back(key);
    const auto found = object_.find(key);
    if (found == object_.end()) return;
    if constexpr (Described<T>) {
      if (!found->is_object()) return problem(key, "must be an object");
      Reader inner(*found, prefix_ + key + ".", problems_);
      describe(inner, value);
      inner.finish();
    } else if (Complaint wrong = decode(*found, value); !wrong.empty()) {
      problem(key, wrong);
    }
  }
  void know(const char* key) { known_.push_back(key); }
  void finish() {
    for (const auto& [key, value] : object_.items()) {
      if (std::ranges::find(known_, key) != known_.end()) continue;
      const std::string near = spec::suggest(key, known_);
      problem(key, "is not known" + (near.empty() ? "" : "; is it " + near + "?"));
    }
  }
  void problem(const std::string& key, const std::string& text) {
    problems_.push_back(prefix_ + key + ": " + text);
  }

 private:
  const Json& object_;
  std::string prefix_;
  std::vector<std::string>& problems_;
  std::vector<std::string> known_;
};

std::unexpected<Error> refuse(std::string_view file, const std::vector<std::string>& problems) {
  std::string text;
  for (const std::string& problem : problems)
    text += (text.empty() ? "" : "\n") + std::string(file) + ": " + problem;
  return usage_error(text);
}

// Empty, or why this schema is not read.
std::string schema_problem(const Json& json) {
  const auto found = json.find("schema");
  if (found == json.end()) return "schema: is missing; is this a job?";
  int schema = 0;
  if (const Complaint wrong = decode(*found, schema); !wrong.empty()) return "schema: " + wrong;
  if (schema < 1) return "schema: must be 1 or more";
  if (schema > kJobSchema)
    return "schema: " + std::to_string(schema) + " is newer than " + std::to_string(kJobSchema) +
           ", the newest that this ktrial reads; use the ktrial that wrote it, or a newer one";
  return {};
}

}  // namespace

kernel::BuildRequest to_request(const Build& build) {
  const auto& [tree, fragments, base_config, compiler, jobs] = build;
  return {.tree = tree,
          .revision = {},
          .fragments = fragments,
          .base_config = base_config,
          .compiler = compiler,
          .jobs = jobs,
          .cache_dir = {}};
}

Build to_values(const kernel::BuildRequest& request) {
  // All of it: what is added there must be decided upon here.
  const auto& [tree, revision, fragments, base_config, compiler, jobs, cache_dir, progress, stop] =
      request;
  return {tree, fragments, base_config, compiler, jobs};
}

std::string to_json(const Job& job) {
  Json out;
  out["schema"] = kJobSchema;
  Job values = job;
  describe(Writer{out}, values);
  return out.dump(2) + "\n";
}

Result<Job> parse_job(std::string_view text, std::string_view file) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object())
    return refuse(file, {"is not a JSON object; is this a job?"});
  // Of a newer schema nothing else can be said.
  if (const std::string wrong = schema_problem(json); !wrong.empty()) return refuse(file, {wrong});
  Job job;
  std::vector<std::string> problems;
  Reader reader(json, "", problems);
  reader.know("schema");
  describe(reader, job);
  reader.finish();
  if (job.results.empty()) reader.problem("results", "is missing; it is the store's folder");
  if (job.boots < 1 || job.boots > 2) reader.problem("boots", "must be 1 or 2");
  if (job.beside_vcpus < 0) reader.problem("beside_vcpus", "must not be negative");
  if (problems.empty())
    if (auto valid = spec::validate(job.spec); !valid)
      problems.push_back("spec: " + valid.error().message);
  if (!problems.empty()) return refuse(file, problems);
  return job;
}

Result<Job> load_job(const fs::path& path) {
  auto text = read_file(path, kMaxFile);
  if (!text) {
    Error error = std::move(text).error();
    error.kind = ErrorKind::usage;
    return std::unexpected(std::move(error).in("job"));
  }
  return parse_job(*text, path.string());
}

}  // namespace ktrial::run
