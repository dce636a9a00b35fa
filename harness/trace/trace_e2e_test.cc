// The trace read from a stopped guest's RAM against what the guest's own tracefs shows of
// it, on kernels of several years.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <re2/re2.h>

#include <sstream>

#include "harness/base/command.h"
#include "harness/introspect/witness_guest.h"
#include "harness/trace/printer.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {
namespace {
using introspect::WitnessGuest;

struct Case {
  const char* name;
  std::string_view kernel;
  const char* buffer;  // trace_buf_size: a small one wraps
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

const Case kEveryday[] = {{"whole", kernel::default_reference(), "2m"},
                          {"wrapped", kernel::default_reference(), "64k"}};
// A long drill.
constexpr char k510[] = "deb:linux-image-5.10.0-32-cloud-amd64-unsigned";
constexpr char k70[] = "deb:linux-binary-7.0.13+deb13-cloud-amd64";
constexpr char k72[] = "deb:linux-binary-7.2.13+deb14-cloud-amd64";
constexpr char k73[] = "deb:linux-binary-7.3.4+deb13-cloud-amd64";
constexpr char k612[] = "deb:linux-image-6.12.117+deb12-cloud-amd64";
constexpr char k618[] = "deb:linux-image-6.18.15+deb13-cloud-amd64";
constexpr char k619[] = "deb:linux-binary-6.19.6+deb13-cloud-amd64";
const Case kDrill[] = {
    {"v612", k612, "2m"},        {"v612_wrapped", k612, "64k"},
    {"v618", k618, "2m"},        {"v618_wrapped", k618, "64k"},
    {"v619", k619, "2m"},        {"v619_wrapped", k619, "64k"},
    {"v510", k510, "2m"},        {"v510_wrapped", k510, "64k"},
    {"v70", k70, "2m"},          {"v70_wrapped", k70, "64k"},
    {"v72", k72, "2m"},          {"v73", k73, "2m"},
    {"v73_wrapped", k73, "64k"},
};
// As the drift.
const Case kDrift[] = {{"newest", introspect::kNewest, "2m"}};

// Pointers the guest shows hashed.
std::string without_pointers(std::string line) {
  static const RE2 kPointer(R"(\b(0x)?[0-9a-f]{16}\b)");
  RE2::GlobalReplace(&line, kPointer, "POINTER");
  return line;
}

// "pid seconds event: fields", what both sides can say.
std::vector<std::string> guest_lines(const std::string& trace) {
  static const RE2 kLine(R"(^.*-(\d+) +\[\d+\] +\S+ +(\d+\.\d+): ([^:]+: .*)$)");
  std::vector<std::string> out;
  std::istringstream stream(trace);
  for (std::string line, pid, time, rest; std::getline(stream, line);)
    if (RE2::FullMatch(line, kLine, &pid, &time, &rest)) {
      while (rest.ends_with(' ')) rest.pop_back();
      out.push_back(without_pointers(pid + " " + time + " " + rest));
    }
  return out;
}

std::vector<std::string> our_lines(const CpuRing& ring, const Trace& trace, bool consumed) {
  std::vector<std::string> out;
  for (const Event& event : ring.events) {
    if (event.uncommitted || event.consumed != consumed) continue;
    const std::uint64_t us = (event.ns + 500) / 1000;
    out.push_back(
        without_pointers(fmt::format("{} {}.{:06} {}: {}", event.pid, us / 1000000, us % 1000000,
                                     event_name(trace, event), event_text(trace, event))));
  }
  return out;
}

std::uint64_t statistic(const std::string& stats, const std::string& name) {
  std::uint64_t value = ~0ull;
  EXPECT_TRUE(RE2::PartialMatch(stats, "(?m)^" + name + ": (\\d+)$", &value)) << stats;
  return value;
}

class TraceE2eTest : public testing::TestWithParam<Case> {
 protected:
  void boot() {
    auto kernel = introspect::find_kernel(GetParam().kernel);
    if (!kernel)
      GTEST_SKIP() << "no kernel " << GetParam().kernel << ": " << kernel.error().message;
    auto guest = WitnessGuest::boot(
        *kernel,
        {.append = fmt::format("trace_event=sched,task,irq trace_buf_size={}", GetParam().buffer)});
    ASSERT_TRUE(guest) << guest.error().message;
    guest_ = std::move(*guest);
    auto ram = guest_->ram();
    ASSERT_TRUE(ram) << ram.error().message;
    auto opened = introspect::Kernel::open(std::move(*ram), {});
    ASSERT_TRUE(opened) << opened.error().message;
    kernel_ = std::move(*opened);
    const auto btf = introspect::Btf::parse(kernel_->btf_bytes().value_or(""));
    ASSERT_TRUE(btf) << btf.error().message;
    auto trace = read_trace({*kernel_, kernel_->symbols(), *btf});
    ASSERT_TRUE(trace) << trace.error().message;
    trace_ = std::move(*trace);
    // The same without CONFIG_KALLSYMS_ALL.
    const auto few = introspect::without_data_symbols(*kernel_);
    const auto again = read_trace({*kernel_, few, *btf});
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->count(), trace_->count());
    ASSERT_EQ(again->formats.by_id.size(), trace_->formats.by_id.size()) << again->formats.trouble;
    for (const auto& [id, format] : trace_->formats.by_id)
      EXPECT_EQ(again->formats.by_id.at(id).text(), format.text());
    print_events(*trace_);
  }
  const std::string& word(const std::string& name) { return guest_->word().at(name); }

  void check_ring(const CpuRing& ring) {
    const auto theirs = guest_lines(word("trace" + std::to_string(ring.cpu)));
    const auto ours = our_lines(ring, *trace_, false);
    EXPECT_GT(theirs.size(), 100u);
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]) << "event " << i;
    const std::string& stats = word("stats" + std::to_string(ring.cpu));
    EXPECT_EQ(ring.expected(), statistic(stats, "entries"));
    EXPECT_EQ(ring.overrun, statistic(stats, "overrun"));
    EXPECT_EQ(ring.read, statistic(stats, "read events"));
    EXPECT_TRUE(ring.complete()) << ring.trouble;
    EXPECT_FALSE(ring.writing);
  }

  void check_formats() {
    std::istringstream stream(word("formats"));
    std::map<std::string, std::string> theirs;
    std::string name;
    for (std::string line; std::getline(stream, line);) {
      if (line.starts_with('#'))
        name = line.substr(1);
      else
        theirs[name] += line + "\n";
    }
    for (const auto& [id, format] : trace_->formats.by_id)
      EXPECT_EQ(format.text(), theirs[format.name]) << format.name;
  }

  // trace-cmd shows as many of them, with the same stamps.
  void check_dat() {
    auto folder = TempDir::create("kt-trace");
    ASSERT_TRUE(folder);
    const auto file = folder->path() / "trace.dat";
    ASSERT_TRUE(write_file_atomically(file, to_trace_dat(*trace_)));
    const auto ran = run_command({"trace-cmd", "report", "-t", file});
    if (!ran) GTEST_SKIP() << "all else was checked, but not trace.dat: no trace-cmd";
    ASSERT_TRUE(ran->ok()) << ran->out << ran->err;
    // trace-cmd 3.3 shows the latency flags ("d..3."), too.
    static const RE2 kLine(R"(^.*-(\d+) +\[(\d+)\](?: [^ ]{5,6})? +(\d+\.\d+): (\w+): .*$)");
    std::multiset<std::string> theirs, ours;
    std::istringstream stream(ran->out);
    for (std::string line, pid, cpu, time, name; std::getline(stream, line);)
      if (RE2::FullMatch(line, kLine, &pid, &cpu, &time, &name))
        theirs.insert(pid + " " + std::to_string(std::stoi(cpu)) + " " + time + " " + name);
    for (const Event* event : trace_->by_time())
      ours.insert(fmt::format("{} {} {}.{:09} {}", event->pid, event->cpu, event->ns / 1000000000,
                              event->ns % 1000000000, event_name(*trace_, *event)));
    EXPECT_EQ(ours.size(), theirs.size());
    EXPECT_TRUE(ours == theirs);
  }

  std::unique_ptr<WitnessGuest> guest_;
  std::unique_ptr<introspect::Kernel> kernel_;
  std::optional<Trace> trace_;
};

TEST_P(TraceE2eTest, RamHoldsWhatTheGuestsOwnTraceShows) {
  boot();
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_FALSE(trace_->rings.on) << "the guest has stopped its tracing";
  EXPECT_FALSE(trace_->rings.partial());
  ASSERT_EQ(trace_->rings.cpus.size(), 2u);
  for (const CpuRing& ring : trace_->rings.cpus) check_ring(ring);
  const CpuRing& read = trace_->rings.cpus[0];
  EXPECT_GT(read.read, 0u);
  // What a reader took is still in its page, unless that was recycled.
  EXPECT_GE(read.read, our_lines(read, *trace_, true).size());
  EXPECT_FALSE(our_lines(read, *trace_, true).empty());
  if (std::string_view(GetParam().name).ends_with("wrapped")) {
    EXPECT_GT(read.overrun, 0u);
  }
  check_formats();
  RecordProperty("events", static_cast<int>(trace_->count()));
  fmt::print("{} events, {} formats\n", trace_->count(), trace_->formats.by_id.size());
  check_dat();
}

std::string name_of(const testing::TestParamInfo<Case>& one) { return one.param.name; }
INSTANTIATE_TEST_SUITE_P(Kernels, TraceE2eTest, testing::ValuesIn(kEveryday), name_of);
INSTANTIATE_TEST_SUITE_P(Drill, TraceE2eTest, testing::ValuesIn(kDrill), name_of);
INSTANTIATE_TEST_SUITE_P(Drift, TraceE2eTest, testing::ValuesIn(kDrift), name_of);

}  // namespace
}  // namespace ktrial::trace
