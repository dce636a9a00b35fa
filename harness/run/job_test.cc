#include "harness/run/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "harness/base/file.h"
#include "results/schema_check.h"

namespace ktrial::run {
namespace {
using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::Not;

// Random values of each field. Like job.cc it names all of them: one that is added to a struct
// does not compile here until it is drawn, and then fails to come back until job.cc carries it.
class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}

  Job job() {
    Job out;
    auto& [spec, build, results, cache, offline, argv, working_dir, beside_vcpus, of_many,
           introspect, boots, initramfs, kernel_only, campaign, cell] = out;
    spec = draw_spec();
    build = draw_build();
    results = path();
    cache = maybe([&] { return path(); });
    offline = coin();
    argv = list([&] { return text(); });
    working_dir = path();
    beside_vcpus = number(0, 1000);
    of_many = number(1, 1000);
    introspect = coin();
    boots = number(1, 2);
    initramfs = maybe([&] { return path(); });
    kernel_only = coin();
    campaign = text();
    cell = text();
    return out;
  }

 private:
  spec::TrialSpec draw_spec() {
    spec::TrialSpec out;
    auto& [kernel, workload, parameters, parameter_places, cpus, memory_mib, repeat, until_fail,
           duration, timeout, trace, trace_buffer_kib, trace_clock, trace_stop, core, fail_on,
           accel, vmm, connect, channel, machine, append, start, guest_seed, confirm_cold,
           keep_machine, deterministic, seed, shift, one_thread, delay_at, perturb, command, root,
           cwd, env, shares, input, output, axes] = out;
    kernel = text() + "k";
    workload = text() + "w";
    const bool workloads = coin();
    if (workloads) {
      for (int i = number(0, 4); i > 0; --i) parameters[text()] = text();
      for (int i = number(0, 4); i > 0; --i) parameter_places[text()] = text();
    } else {
      command = list([&] { return text(); });
      command.push_back("program");
      root = coin() ? "host" : "";
      cwd = coin() ? "/" + text() : "";
      for (int i = number(0, 3); i > 0; --i) env.push_back("N" + text() + "=" + text());
      if (!root.empty()) shares = list([&] { return text(); });
      input = text();
      output = text();
    }
    cpus = number(1, spec::kMaxCpus);
    memory_mib = number(spec::kMinMemoryMib, spec::kMaxMemoryMib);
    repeat = number(1, spec::kMaxRepeat);
    until_fail = coin();
    duration = maybe([&] { return spec::Milliseconds(number(0, 1'000'000)); });
    timeout = maybe([&] { return spec::Milliseconds(number(1'000'001, 2'000'000'000)); });
    trace = coin() ? "sched,function:mm_*" : "";
    // Of all CPUs it is bounded; what it may hold is the spec's affair.
    trace_buffer_kib = trace.empty() ? 0 : 8 * number(1, 8);
    trace_clock = coin() && !trace.empty() ? "mono" : "";
    trace_stop = coin() && !trace.empty() ? "warning" : "";
    core = coin();
    for (const std::string_view note : spec::kNotes)
      if (coin()) fail_on.emplace_back(note);
    accel = static_cast<spec::Accel>(number(0, 2));
    vmm = static_cast<spec::Vmm>(number(0, 1));
    if (vmm == spec::Vmm::libvirt) connect = text();
    channel = static_cast<spec::ChannelKind>(number(0, 3));
    if (vmm == spec::Vmm::qemu) {
      start = static_cast<spec::Start>(number(0, 2));
      if (start == spec::Start::warm && coin()) guest_seed = std::string(2 * spec::kSeedBytes, 'a');
      if (start != spec::Start::cold) confirm_cold = number(0, 9);
      keep_machine = coin();
    }
    one_thread = accel != spec::Accel::kvm && coin();
    machine = coin() ? arch::native().machines.back().name : "";
    if (coin()) {
      draw_deterministic(out);
    } else if (vmm == spec::Vmm::qemu && cpus > 1) {
      if (accel != spec::Accel::kvm && coin()) delay_at = {"mm_get_cid+0x55:200:0.5"};
      if (coin()) perturb = "hold:200";
    }
    axes = list([&] { return std::pair(text(), text()); });
    do append = text();
    while (append.find_first_of(std::string("\n\0", 2)) != std::string::npos);
    return out;
  }
  // It may have less besides.
  void draw_deterministic(spec::TrialSpec& out) {
    out.deterministic = true;
    out.seed = number(1, 1000);
    out.shift = number(1, spec::kMaxShift);
    out.accel = coin() ? spec::Accel::tcg : spec::Accel::automatic;
    out.vmm = spec::Vmm::qemu;
    out.connect = out.guest_seed = out.machine = out.root = "";
    out.trace = out.trace_clock = out.trace_stop = "";
    out.trace_buffer_kib = out.confirm_cold = 0;
    out.start = spec::Start::cold;
    out.channel = spec::ChannelKind::virtio_serial;
    out.keep_machine = out.until_fail = false;
    out.shares.clear();
  }
  Build draw_build() {
    Build out;
    auto& [tree, fragments, base_config, compiler, jobs] = out;
    tree = path();
    fragments = list([&] { return path(); });
    base_config = maybe([&] { return path(); });
    compiler = text();
    jobs = static_cast<unsigned>(number(0, 64));
    return out;
  }

  int number(int low, int high) { return std::uniform_int_distribution(low, high)(random_); }
  bool coin() { return number(0, 1) == 1; }
  // Any bytes: a file's name is no UTF-8 by promise.
  std::string text() {
    std::string out;
    for (int i = number(0, 12); i > 0; --i)
      out += static_cast<char>(coin() ? number(0x20, 0x7e) : number(0, 255));
    return coin() ? out + "\xc3\xa4" : out;
  }
  std::filesystem::path path() { return "/" + text() + "p"; }
  template <class F>
  auto maybe(F make) -> std::optional<decltype(make())> {
    if (coin()) return make();
    return std::nullopt;
  }
  template <class F>
  auto list(F make) -> std::vector<decltype(make())> {
    std::vector<decltype(make())> out;
    for (int i = number(0, 4); i > 0; --i) out.push_back(make());
    return out;
  }
  std::mt19937 random_;
};

TEST(JobTest, ComesBackWholeFromItsFile) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    const Job job = Draw(seed).job();
    const std::string text = to_json(job);
    const auto back = parse_job(text, "job.json");
    if (seed < 3) results::expect_schema(text, "job");
    ASSERT_TRUE(back) << seed << ": " << back.error().message << "\n" << text;
    EXPECT_TRUE(*back == job) << seed << "\n" << text << to_json(*back);
  }
}

// Each key on its own: what a file leaves out has its default, what it says is taken.
TEST(JobTest, EveryKeyCounts) {
  Job plain;
  plain.results = "/results";
  const Json defaults = Json::parse(to_json(plain));
  const Json drawn = Json::parse(to_json(Draw(7).job()));
  int changed = 0;
  const auto check = [&](const Json& document) {
    const auto back = parse_job(document.dump(), "job.json");
    if (!back) return;  // e.g. parameters beside a command
    ++changed;
    EXPECT_FALSE(*back == plain) << document.dump();
  };
  for (const auto& [key, value] : drawn.items()) {
    if (value.is_object() && !value.contains("latin1")) {
      for (const auto& [inner, inner_value] : value.items()) {
        Json document = defaults;
        if (document[key][inner] == inner_value) continue;
        document[key][inner] = inner_value;
        check(document);
      }
    } else if (defaults[key] != value) {
      Json document = defaults;
      document[key] = value;
      check(document);
    }
  }
  EXPECT_GT(changed, 20);
}

TEST(JobTest, OnlySchemaAndResultsAreNeeded) {
  const auto job = parse_job(R"({"schema": 1, "results": "/r"})", "job.json");
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_TRUE(job->spec == spec::TrialSpec{});
  EXPECT_TRUE(job->build == Build{});
}

struct Bad {
  const char* name;
  const char* text;
  const char* complaint;
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.text; }
class BadJobTest : public testing::TestWithParam<Bad> {};

TEST_P(BadJobTest, IsRefusedWithFileAndKey) {
  const auto job = parse_job(GetParam().text, "job.json");
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().kind, ErrorKind::usage);
  EXPECT_THAT(job.error().message, HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadJobTest,
    testing::Values(
        Bad{"Nothing", "", "job.json: is not a JSON object"},
        Bad{"NoJson", "{\"schema\": 1,", "job.json: is not a JSON object"},
        Bad{"List", "[]", "job.json: is not a JSON object"},
        Bad{"NoSchema", R"({"results": "/r"})", "job.json: schema: is missing"},
        Bad{"NewerSchema", R"({"schema": 2, "what": "is this"})",
            "job.json: schema: 2 is newer than 1"},
        Bad{"OddSchema", R"({"schema": "1"})", "job.json: schema: must be an integer"},
        Bad{"ZeroSchema", R"({"schema": 0})", "job.json: schema: must be 1 or more"},
        Bad{"NoResults", R"({"schema": 1})", "job.json: results: is missing"},
        Bad{"UnknownKey", R"({"schema": 1, "results": "/r", "result": 1})",
            "job.json: result: is not known; is it results?"},
        Bad{"UnknownInnerKey", R"({"schema": 1, "results": "/r", "spec": {"cpu": 1}})",
            "job.json: spec.cpu: is not known; is it cpus?"},
        Bad{"WrongType", R"({"schema": 1, "results": "/r", "spec": {"cpus": "4"}})",
            "job.json: spec.cpus: must be an integer"},
        Bad{"Real", R"({"schema": 1, "results": "/r", "spec": {"cpus": 4.5}})",
            "job.json: spec.cpus: must be an integer"},
        Bad{"Huge", R"({"schema": 1, "results": "/r", "spec": {"cpus": 4294967297}})",
            "job.json: spec.cpus: is out of range"},
        Bad{"Huger", R"({"schema": 1, "results": "/r", "build": {"jobs": 18446744073709551615}})",
            "job.json: build.jobs: is out of range"},
        Bad{"Negative", R"({"schema": 1, "results": "/r", "build": {"jobs": -1}})",
            "job.json: build.jobs: is out of range"},
        Bad{"NoBool", R"({"schema": 1, "results": "/r", "offline": 1})",
            "job.json: offline: must be true or false"},
        Bad{"NoObject", R"({"schema": 1, "results": "/r", "spec": []})",
            "job.json: spec: must be an object"},
        Bad{"NoList", R"({"schema": 1, "results": "/r", "argv": "ktrial"})",
            "job.json: argv: must be a list"},
        Bad{"NoPairs", R"({"schema": 1, "results": "/r", "spec": {"parameters": {"a": "b"}}})",
            "job.json: spec.parameters: must be a list"},
        Bad{"Triple", R"({"schema": 1, "results": "/r", "spec": {"axes": [["a","b","c"]]}})",
            "job.json: spec.axes: each of the list must be a pair of strings"},
        Bad{"Twice",
            R"({"schema": 1, "results": "/r", "spec": {"parameters": [["a","b"],["a","c"]]}})",
            "job.json: spec.parameters: names a key twice"},
        Bad{"NoName", R"({"schema": 1, "results": "/r", "spec": {"accel": "fast"}})",
            "job.json: spec.accel: 'fast' is not one of auto, kvm, tcg"},
        Bad{"BadLatin1", "{\"schema\": 1, \"results\": {\"latin1\": \"\xe2\x82\xac\"}}",
            "job.json: results: must be a string"},
        Bad{"NoValidSpec", R"({"schema": 1, "results": "/r", "spec": {"cpus": 0}})",
            "job.json: spec: cpus: 0 is outside 1..255"},
        Bad{"Boots", R"({"schema": 1, "results": "/r", "boots": 3})",
            "job.json: boots: must be 1 or 2"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(JobTest, AllProblemsAreToldAtOnce) {
  const auto job = parse_job(R"({"schema": 1, "offline": 1, "spec": {"cpus": "x"}})", "f");
  ASSERT_FALSE(job);
  for (const char* part : {"f: offline: ", "f: spec.cpus: ", "f: results: "})
    EXPECT_THAT(job.error().message, HasSubstr(part));
}

TEST(JobTest, AFileThatIsNotThereIsAUsageErrorThatNamesIt) {
  const auto job = load_job("/nonexistent/job.json");
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().kind, ErrorKind::usage);
  EXPECT_THAT(job.error().message, HasSubstr("/nonexistent/job.json"));
}

TEST(JobTest, ABuildRequestKeepsItsValues) {
  const kernel::BuildRequest request{.tree = "/linux",
                                     .revision = {},
                                     .fragments = {"/a.config", "/b.config"},
                                     .base_config = "/base",
                                     .compiler = "clang-19",
                                     .jobs = 3,
                                     .cache_dir = {}};
  const Build build = to_values(request);
  EXPECT_TRUE(to_values(to_request(build)) == build);
  EXPECT_EQ(to_request(build).fragments, request.fragments);
  EXPECT_EQ(to_request(build).base_config, request.base_config);
}

}  // namespace
}  // namespace ktrial::run
