// The black box, from a kernel's command line to `ktrial trace`.
#include <algorithm>
#include <sstream>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class TraceTest : public E2eTest {
 protected:
  // Process 1 never speaks: at the time limit the guest is looked at from outside.
  Outcome run_hang() {
    return run({"run", "--cpus", "2", "--timeout", "20s", "--boots", "1", "--format", "json",
                "--workload", "inject", "--append",
                "rdinit=/workloads/inject ktrial_fault=early_hang"});
  }
  void expect_picture_and_story(const Outcome& result) {
    const auto story = trial(result).value("trace", nlohmann::json::object());
    EXPECT_EQ(story.value("source", ""), "RAM") << result.err;
    EXPECT_EQ(story.value("complete", false), true);
    EXPECT_GT(story.value("events", 0), 100);
    EXPECT_EQ(story.value("cpus", nlohmann::json::array()).size(), 2u);
    EXPECT_FALSE(story.value("forks", nlohmann::json::array()).empty());
    EXPECT_NE(artifact("trace.svg").find("</svg>"), std::string::npos);
    const fs::path mine = run_folder() / "mine.svg";
    EXPECT_EQ(run({"trace", "--svg", mine.string()}).exit, 0);
    EXPECT_EQ(read_file(mine).value_or("").substr(0, 5), "<?xml");
    const auto report = run({"report", "last"}).out;
    EXPECT_NE(report.find("\nTrace: trial 0, "), std::string::npos) << report;
    const auto alone = run({"trace", "--diff", "last"});
    EXPECT_EQ(alone.exit, 129) << "there is nothing to compare with";
    EXPECT_NE(alone.err.find("no other trial"), std::string::npos) << alone.err;
  }
  std::string artifact(const char* name) const {
    return read_file(run_folder() / "trials/000" / name).value_or("");
  }
  std::string trace_text() const { return artifact("trace.txt"); }
  std::string trial_fact(const std::string& name) const {
    return fact(nlohmann::json::parse(artifact("verdict.json"), nullptr, false), name);
  }
  // Events, of a text whose other lines begin with `other`.
  static std::size_t events_in(const std::string& text, const char* other) {
    std::size_t count = 0;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
      count += !line.starts_with(other) && line.find("] ") != std::string::npos;
    return count;
  }
  // Of one number of every CPU's statistics before the pages were read: the sum.
  std::uint64_t counted(const std::string& key) const {
    std::uint64_t sum = 0;
    bool before = false;
    std::istringstream stream(artifact("trace.stats"));
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with("== ")) before = line.starts_with("== per_cpu/");
      if (before && line.starts_with(key + ": ")) sum += std::stoull(line.substr(key.size() + 2));
    }
    return sum;
  }

  // What the file for ui.perfetto.dev has on its tracks, by their names.
  std::map<std::string, std::vector<nlohmann::json>> tracks() const {
    const auto file = nlohmann::json::parse(artifact("trace.json"), nullptr, false);
    std::map<std::pair<int, int>, std::string> names;
    std::map<std::string, std::vector<nlohmann::json>> out;
    if (!file.is_object()) return out;
    for (const auto& event : file.at("traceEvents"))
      if (event.at("name") == "thread_name")
        names[{event.at("pid"), event.at("tid")}] = event.at("args").at("name");
    for (const auto& event : file.at("traceEvents"))
      if (event.at("ph") != "M") out[names[{event.at("pid"), event.at("tid")}]].push_back(event);
    return out;
  }
  // A beating thread of the agent's ran on this track then, give or take half a millisecond.
  static bool agent_ran(const std::vector<nlohmann::json>& cpu, double at_us) {
    constexpr double kSlack = 500;
    return std::ranges::any_of(cpu, [&](const nlohmann::json& one) {
      return one.at("ph") == "X" && one.at("name").get<std::string>().starts_with("beat-") &&
             one.at("ts").get<double>() - kSlack <= at_us &&
             one.at("ts").get<double>() + one.at("dur").get<double>() + kSlack >= at_us;
    });
  }
  // Beats are known by another clock than the events: where both are right, a beat lies where the
  // thread that sent it ran.
  void expect_one_clock() const {
    const auto all = tracks();
    ASSERT_TRUE(all.contains("phases"));
    for (const char* cpu : {"CPU 0", "CPU 1"}) {
      const std::string beats = std::string("beats of ") + cpu;
      ASSERT_TRUE(all.contains(cpu) && all.contains(beats)) << beats;
      int seen = 0, right = 0;
      for (const auto& beat : all.at(beats)) {
        const double at = beat.at("ts");
        if (beat.at("ph") != "i" || at < all.at(cpu).front().at("ts")) continue;
        ++seen;
        right += agent_ran(all.at(cpu), at);
      }
      EXPECT_GT(seen, 0) << beats;
      EXPECT_GE(right * 4, seen * 3) << beats << ": " << right << " of " << seen;
    }
    const auto& phases = all.at("phases");
    const auto workload = std::ranges::find_if(
        phases, [](const nlohmann::json& one) { return one.at("name") == "workload fork-storm"; });
    ASSERT_NE(workload, phases.end());
    const double begin = workload->at("ts"), end = begin + workload->at("dur").get<double>();
    for (const auto& exec : all.at(""))
      if (exec.at("name") == "exec /workloads/fork-storm") {
        EXPECT_LE(begin, exec.at("ts")) << "it was started before the host asked for it";
        EXPECT_GT(end, exec.at("ts"));
      }
  }
};

TEST_F(TraceTest, OfALivingGuestEveryEventComesThatItCounted) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--workload", "fork-storm", "--cpus", "2", "--duration", "5s",
                           "--trace", "sched,irq:softirq_entry:vec == 1"});
  EXPECT_EQ(result.exit, 0) << result.err;
  const std::string text = trace_text();
  EXPECT_GT(counted("entries"), 1000u) << artifact("trace.stats");
  EXPECT_EQ(events_in(text, "#"), counted("entries"));
  EXPECT_EQ(trial_fact("trace.events"), std::to_string(counted("entries")));
  EXPECT_EQ(trial_fact("trace.overwritten"), std::to_string(counted("overrun")));
  EXPECT_EQ(trial_fact("trace.dropped"), std::to_string(counted("dropped events")));
  EXPECT_EQ(trial_fact("trace.complete"), "yes");
  EXPECT_NE(text.find("# complete: as many as the kernel counted"), std::string::npos);
  EXPECT_NE(text.find("sched_waking: "), std::string::npos) << "more than the black box has";
  EXPECT_NE(text.find("softirq_entry: vec=1 "), std::string::npos);
  const std::size_t begin = text.find("sched_process_exec: filename=/workloads/fork-storm");
  ASSERT_NE(begin, std::string::npos);
  EXPECT_EQ(text.find("softirq_entry: vec=7 ", begin), std::string::npos)
      << "the filter was not set";
  expect_one_clock();

  const auto report = run_command({"trace-cmd", "report", run_folder() / "trials/000/trace.dat"});
  if (!report) GTEST_SKIP() << "all else was checked, but not trace.dat: no trace-cmd";
  EXPECT_TRUE(report->ok()) << report->err;
  EXPECT_EQ(events_in(report->out, "cpus="), counted("entries"));
}

TEST_F(TraceTest, FunctionsAreTracedByNameAndCanStopIt) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--workload", "smoke", "--cpus", "2", "--trace",
                           "function:kernel_clone", "--trace-stop", "__x64_sys_pipe2"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(trace_text().find("function: "), std::string::npos);
  EXPECT_NE(trace_text().find("kernel_clone"), std::string::npos);
}

// All of it at once: who mends one shall not meet the next a boot later.
TEST_F(TraceTest, WhatTheKernelDoesNotHaveIsNamedBeforeAnythingRuns) {
  REQUIRE_KERNEL(kKernel);
  const std::string events =
      "sched:sched_swich,mmcid,sched:sched_switch:no_such_field == 1,function:no_such_function";
  const auto result = run({"run", "--workload", "smoke", "--cpus", "2", "--trace", events,
                           "--trace-stop", "no_such_function"});
  EXPECT_EQ(result.exit, 129) << result.err;
  for (const char* problem :
       {": kernel 6.", "sched:sched_swich: there is no such event",
        "mmcid: there is none of its events", "its filter 'no_such_field == 1'",
        "function:no_such_function: no function that can be traced has such a name",
        "trace_stop: no_such_function: no function that can be traced has this name"})
    EXPECT_NE(result.err.find(problem), std::string::npos) << problem << "\n" << result.err;
}

TEST_F(TraceTest, BadValuesNameTheirKey) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--trace", "shced"}, "trace: 'shced'"},
      {{"--trace", "off,sched"}, "trace: 'off'"},
      {{"--trace-buffer", "4"}, "--trace-buffer: '4' is not a buffer's size"},
      {{"--trace-clock", "sundial"}, "trace_clock: 'sundial'"},
      {{"--trace-stop", "a-b"}, "trace_stop: 'a-b'"},
      {{"--trace", "sched", "--workload", "int3-poke"}, "trace: workload int3-poke"},
  };
  for (const auto& [flags, expected] : cases) {
    std::vector<std::string> arguments = {"run"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const auto result = run(arguments);
    EXPECT_EQ(result.exit, 129) << result.err;
    EXPECT_NE(result.err.find(expected), std::string::npos) << result.err;
  }
}

TEST_F(TraceTest, AGuestThatIsLookedAtLeavesItsTrace) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_hang();
  EXPECT_EQ(result.exit, 125) << result.err;
  const std::string text = trace_text();
  EXPECT_NE(text.find("# complete: as many as the kernel counted"), std::string::npos)
      << text.substr(0, 2000);
  EXPECT_NE(text.find("sched_process_exec: filename=/workloads/inject"), std::string::npos);
  EXPECT_NE(text.find("sched_process_fork: "), std::string::npos);
  EXPECT_NE(text.find("[001]"), std::string::npos) << "both CPUs";
  EXPECT_TRUE(fs::exists(run_folder() / "trials/000/trace.dat"));
  EXPECT_TRUE(nlohmann::json::accept(artifact("trace.json")));
  expect_picture_and_story(result);

  EXPECT_EQ(run({"trace"}).out, text);
  const auto slice = run({"trace", "last", "--around", "end", "--window", "2s", "--cpu", "0"});
  EXPECT_EQ(slice.exit, 0) << slice.err;
  std::istringstream stream(slice.out);
  for (std::string line; std::getline(stream, line);)
    EXPECT_NE(line.find("[000]"), std::string::npos) << line;
  EXPECT_LT(slice.out.size(), text.size());
  EXPECT_EQ(run({"trace", "--around", "no such report"}).exit, 129);
}

TEST_F(TraceTest, WithTraceOffThereIsNone) {
  REQUIRE_KERNEL(kKernel);
  const auto result =
      run({"run", "--cpus", "2", "--trace", "off", "--", KTRIAL_BAD_GUEST, "panic"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trace_text(), "");
  const auto shown = run({"trace"});
  EXPECT_EQ(shown.exit, 129);
  EXPECT_NE(shown.err.find("has no trace"), std::string::npos) << shown.err;
}

// The machine is gone when its RAM is read: by a panic that resets it, by a triple fault that says
// nothing at all.
TEST_F(TraceTest, AGuestThatPanickedOrResetItselfLeavesItsTraceInItsRam) {
  REQUIRE_KERNEL(kKernel);
  for (const char* end : {"panic", "reset"}) {
    const std::string results = (root() / end).string();
    const auto result = run({"run", "--cpus", "2", "--format", "json", "--results", results,
                             "--append", "reboot=t", "--", KTRIAL_BAD_GUEST, end});
    EXPECT_EQ(result.exit, 1) << result.err;
    const auto story = trial(result).value("trace", nlohmann::json::object());
    EXPECT_EQ(story.value("source", ""), "RAM") << end << result.err;
    EXPECT_EQ(story.value("complete", false), true) << end;
    const auto shown = run({"trace", "--results", results});
    EXPECT_NE(shown.out.find("sched_process_exec: filename="), std::string::npos) << end;
    EXPECT_NE(shown.out.find("bad_guest"), std::string::npos) << end;
    const auto file = read_file(trial(result).value("artifacts", "") + "/trace.json");
    EXPECT_TRUE(file && file->find("\"beats of CPU 1\"") != std::string::npos) << end;
  }
}

// Two runs of one spec, but for what the workload does at its end.
TEST_F(TraceTest, WhatOnlyAFailingRunDoesIsShownAgainstPassingOnes) {
  REQUIRE_KERNEL(kKernel);
  const std::string passing = (root() / "passing").string(),
                    failing = (root() / "failing").string();
  const auto shell = [&](const std::string& results, const char* script) {
    return run({"run", "--cpus", "2", "--trace", "fork", "--results", results, "--", "/bin/sh",
                "-c", script});
  };
  EXPECT_EQ(shell(passing, "(:) & wait").exit, 0);
  EXPECT_EQ(shell(failing, "(:) & wait; (echo odd > /proc/self/comm) & wait; exit 1").exit, 1);
  const fs::path other = fs::directory_iterator(fs::path(passing) / "runs")->path();
  const auto diff = run({"trace", "--results", failing, "--diff", other.string()});
  EXPECT_EQ(diff.exit, 0) << diff.err;
  EXPECT_EQ(diff.out.find("NOTE"), std::string::npos) << diff.out;
  EXPECT_NE(diff.out.find("in 1 other trace"), std::string::npos) << diff.out;
  const std::size_t failed = diff.out.find("only when it failed"), odd = diff.out.find("odd");
  EXPECT_LT(failed, odd) << diff.out;
  EXPECT_LT(odd, diff.out.find("only in the others")) << diff.out;
}

TEST_F(TraceTest, ADumpOnTheConsoleBecomesTheTrace) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--cpus", "2", "--format", "json", "--workload", "inject",
                           "--set", "fault=panic", "--append", "ftrace_dump_on_oops"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const std::string log = read_file(run_folder() / "trials/000/console.log").value_or("");
  ASSERT_NE(log.find("Dumping ftrace buffer:"), std::string::npos);
  const auto count = [](const std::string& text, const char* what) {
    std::size_t out = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
      ++out;
    return out;
  };
  const std::string text = trace_text();
  EXPECT_TRUE(text.starts_with("# source: console\n")) << text.substr(0, 500);
  for (const char* event :
       {": sched_switch: ", ": sched_process_fork: ", ": sched_process_exec: "}) {
    EXPECT_GT(count(log, event), 0u) << event;
    EXPECT_EQ(count(text, event), count(log, event)) << event;
  }
  const std::string file = (run_folder() / "trials/000/console.log").string();
  EXPECT_EQ(run({"trace", "--console", file}).out, text);
  EXPECT_EQ(run({"trace"}).out, text);
}

}  // namespace
}  // namespace ktrial::e2e
