#include "harness/autopsy/examine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/fake_clock.h"
#include "harness/base/file.h"
#include "harness/introspect/fake_structures.h"

namespace ktrial::autopsy {
namespace {
namespace fs = std::filesystem;
using std::chrono::milliseconds;

// A machine of two vCPUs: 0 waits for 1. Time passes by let_run only.
class ScriptedVm : public vm::Vm {
 public:
  Status start(Sink) override { return {}; }
  Result<Fd> take_port(const std::string&) override { return Fd(); }
  Result<std::vector<vm::VcpuSample>> sample_vcpus(milliseconds) override {
    EXPECT_TRUE(paused) << "looks need a paused machine";
    const bool halted = ++looks != beat_at && idle;
    return std::vector<vm::VcpuSample>{
        {.cpu = 0, .ip = 1, .interrupts_enabled = true, .halted = halted},
        {.cpu = 1, .ip = 2, .interrupts_enabled = halted, .halted = halted}};
  }
  Status pause(milliseconds) override {
    if (broken) return fail(ErrorKind::environment, "QMP does not answer");
    paused = true;
    return {};
  }
  Status resume(milliseconds) override {
    paused = false;
    return {};
  }
  Result<vm::GuestRam> ram(milliseconds) override { return vm::GuestRam{}; }
  Status inject_nmi(milliseconds) override { return {}; }
  Result<std::string> status(milliseconds) override { return "running"; }
  void destroy() override {}
  pid_t process() const override { return 7; }
  std::vector<pid_t> vcpu_threads() const override { return {}; }
  std::string shell_command() const override { return ""; }

  bool paused = false, broken = false, idle = false;
  int looks = 0, beat_at = 0;
};

class FakeInspector final : public Inspector {
 public:
  std::vector<StackFrame> stack(const vm::VcpuSample& vcpu) override {
    if (vcpu.cpu == 0)
      return {{"smp_call_function_many_cond", "smp_call_function_many_cond+0x1/0x2", true},
              {"flush_tlb_mm_range", "flush_tlb_mm_range+0x1/0x2", true}};
    return {{"mm_get_cid", "mm_get_cid+0x1/0x2", true}, {"__schedule", "__schedule+0x1/0x2", true}};
  }
  std::string task(unsigned cpu) override { return "t/" + std::to_string(cpu); }
  std::vector<BlockedTask> blocked(bool all_idle) override {
    return {{"parent/9", all_idle ? "R, and no CPU runs it" : "D vfork", {}}};
  }
  std::vector<std::string> kernel_log() override { return {"last words"}; }
  std::vector<std::string> notes() const override { return {"a note"}; }
  const introspect::KernelView* view() const override { return &view_; }
  Status write_core(const fs::path& path, const std::vector<vm::VcpuSample>& registers) override {
    EXPECT_EQ(registers.size(), 2u);
    return write_file_atomically(path, "core");
  }

 private:
  class NoMemory final : public introspect::AddressSpace {
    Status read(std::uint64_t, std::span<std::byte>) const override {
      return fail(ErrorKind::protocol, "no memory");
    }
  };
  NoMemory memory_;
  introspect::SymbolTable symbols_;
  introspect::Btf btf_ = introspect::Btf::parse(introspect::BtfBuilder().bytes()).value();
  introspect::KernelView view_{memory_, symbols_, btf_};
};

class ExamineTest : public testing::Test {
 protected:
  // The host's account of vCPU 1 after `seconds` of running: of each, `share` was its own.
  void account() {
    for (int cpu : {0, 1}) {
      const fs::path task = dir->path() / "7/task" / std::to_string(10 + cpu);
      fs::create_directories(task);
      EXPECT_TRUE(write_file_atomically(task / "comm", "CPU " + std::to_string(cpu) + "/TCG\n"));
      const auto ns = [](double s) { return std::to_string(static_cast<long long>(s * 1e9)); };
      EXPECT_TRUE(write_file_atomically(task / "schedstat",
                                        ns(ran * share) + " " + ns(ran * (1 - share)) + " 1\n"));
    }
  }
  Autopsy run(bool wants_proof) {
    account();
    HostWatch host(7, dir->path());
    return examine({.clock = clock,
                    .vm = vm,
                    .host = host,
                    .let_run =
                        [&](milliseconds time) {
                          EXPECT_FALSE(vm.paused);
                          clock.wait(clock.now() + time);
                          ran += time.count() / 1000.0;
                          account();
                          return ++runs < ends_after;
                        },
                    .inspect = inspect,
                    .trace = trace,
                    .core = core,
                    .wants_proof = wants_proof,
                    .proof_patience = milliseconds(10000)});
  }
  Result<TempDir> dir = TempDir::create();
  FakeClock clock;
  ScriptedVm vm;
  std::function<Result<std::unique_ptr<Inspector>>(vm::GuestRam)> inspect =
      [](vm::GuestRam) -> Result<std::unique_ptr<Inspector>> {
    return std::make_unique<FakeInspector>();
  };
  std::function<std::vector<std::string>(const introspect::KernelView&,
                                         const std::vector<std::string>&)>
      trace;
  fs::path core;
  double ran = 0, share = .5;
  int runs = 0, ends_after = 1000;
};

TEST_F(ExamineTest, AFewLooksNameCulpritAndVictim) {
  const Autopsy autopsy = run(false);
  EXPECT_EQ(autopsy.looks, 4);
  ASSERT_TRUE(autopsy.culprit);
  EXPECT_EQ(autopsy.culprit->function, "mm_get_cid");
  EXPECT_EQ(autopsy.culprit->task, "t/1");
  EXPECT_FALSE(autopsy.culprit->proven) << "a quarter second is no proof";
  EXPECT_EQ(autopsy.vcpus[0].what, VcpuClass::waiting);
  EXPECT_EQ(autopsy.blocked.size(), 1u);
  EXPECT_EQ(autopsy.kernel_log.size(), 1u);
  EXPECT_THAT(autopsy.notes, testing::ElementsAre("a note"));
  EXPECT_TRUE(vm.paused) << "left as it was last seen";
}

TEST_F(ExamineTest, WhereNoVcpuDoesAnythingWhoIsReadyIsHeldOff) {
  EXPECT_EQ(run(false).blocked.front().state, "D vfork");
  vm.idle = true;
  vm.beat_at = vm.looks + 2;
  EXPECT_EQ(run(false).blocked.front().state, "R, and no CPU runs it");
}

TEST_F(ExamineTest, ACoreIsWrittenWhenAskedFor) {
  core = dir->path() / "vmcore";
  EXPECT_THAT(run(false).notes, testing::ElementsAre("a note"));
  EXPECT_TRUE(fs::exists(core));
  core = dir->path() / "missing/vmcore";
  EXPECT_THAT(run(false).notes, testing::Contains(testing::HasSubstr("no core file")));
}

TEST_F(ExamineTest, TheTraceIsReadOnceAfterTheLooksWithTheMachinePaused) {
  int reads = 0;
  trace = [&](const introspect::KernelView&, const std::vector<std::string>& log) {
    EXPECT_TRUE(vm.paused);
    EXPECT_EQ(vm.looks, 4);
    EXPECT_THAT(log, testing::ElementsAre("last words"));
    ++reads;
    return std::vector<std::string>{"CPU 1 went first"};
  };
  const Autopsy autopsy = run(false);
  EXPECT_EQ(reads, 1);
  EXPECT_THAT(to_text(autopsy), testing::HasSubstr("Trace, read from RAM:\n  CPU 1 went first\n"));
}

TEST_F(ExamineTest, AProofTakesOwnRunningTime) {
  share = .1;
  const Autopsy autopsy = run(true);
  ASSERT_TRUE(autopsy.culprit && autopsy.culprit->proven);
  EXPECT_GE(ran * share, kProofSeconds);
}

TEST_F(ExamineTest, AGuestThatEndsMeanwhileIsNoError) {
  ends_after = 2;
  const Autopsy autopsy = run(false);
  EXPECT_EQ(autopsy.looks, 2);
  EXPECT_TRUE(autopsy.blocked.empty());
  EXPECT_THAT(autopsy.notes, testing::ElementsAre(testing::HasSubstr("ended")));
}

TEST_F(ExamineTest, WithoutMemoryTheRegistersRemain) {
  inspect = [](vm::GuestRam) -> Result<std::unique_ptr<Inspector>> {
    return fail(ErrorKind::environment, "no VMCOREINFO");
  };
  const Autopsy autopsy = run(false);
  EXPECT_EQ(autopsy.vcpus.size(), 2u);
  EXPECT_FALSE(autopsy.culprit);
  EXPECT_THAT(autopsy.notes, testing::ElementsAre(testing::HasSubstr("no VMCOREINFO")));
}

TEST_F(ExamineTest, AMonitorThatDoesNotAnswerIsANote) {
  vm.broken = true;
  const Autopsy autopsy = run(false);
  EXPECT_EQ(autopsy.looks, 0);
  EXPECT_THAT(autopsy.notes, testing::ElementsAre(testing::HasSubstr("QMP")));
}

}  // namespace
}  // namespace ktrial::autopsy
