#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/base/file.h"
#include "harness/vm/fake_vm.h"
#include "harness/vm/qemu/accel.h"
#include "harness/vm/qemu/argv.h"
#include "harness/vm/qemu/qmp.h"
#include "harness/vm/qemu/qmp_answers.h"
#include "harness/vm/qemu/registers.h"

namespace ktrial::vm {
namespace {
using namespace std::chrono_literals;

VmConfig sample_config() {
  return {.name = "ktrial-1",
          .kernel = "/boot/a,b",
          .initrd = "/tmp/i",
          .command_line = "console=ttyS0 a=\"b c\"",
          .channel = VirtioSerialPorts{{"one", "two"}}};
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += word + "|";
  return out;
}

TEST(QemuArgvTest, WiresEverythingThroughInheritedDescriptors) {
  auto text = joined(qemu_arguments(sample_config(), QemuWiring{3, 4, 5, {6, 7}}));
  for (const char* part :
       {"mem-path=/proc/self/fd/3", "file,id=console,path=/proc/self/fd/4,append=on",
        "socket,id=qmp,fd=5", "socket,id=port0,fd=6", "name=two", "-sandbox|on", "share=on",
        "-nodefaults", "-no-reboot", "-accel|tcg,thread=multi|-cpu|max", "-kernel|/boot/a,b|"})
    EXPECT_NE(text.find(part), text.npos) << part << " in " << text;
  EXPECT_EQ(text.find("-net"), text.npos);
}

TEST(QemuArgvTest, OneThreadIsOfTcgOnly) {
  VmConfig config = sample_config();
  config.one_thread = true;
  EXPECT_NE(joined(qemu_arguments(config, std::nullopt)).find("tcg,thread=single|"),
            std::string::npos);
  config.accel = Accel::kvm;
  EXPECT_EQ(joined(qemu_arguments(config, std::nullopt)).find("thread="), std::string::npos);
}

// Each of these was measured: without it two runs differ.
TEST(QemuArgvTest, ADeterministicMachineGoesByItsInstructionsAlone) {
  VmConfig config = sample_config();
  config.exact = Exact{.seed = 7, .shift = 3, .plugin = "/p/a,b.so"};
  QemuWiring wiring{3, 4, 5, {6, 7}};
  wiring.control_fd = 8;
  wiring.notify_fd = 9;
  const auto text = joined(qemu_arguments(config, wiring));
  for (const char* part :
       {"-icount|shift=3,sleep=off|", "-seed|7|", "-rtc|base=2026-01-01T00:00:00,clock=vm|",
        "virtio-serial-pci,id=vser,ioeventfd=off|", "-accel|tcg|",
        "-plugin|/p/a,,b.so,control=/proc/self/fd/8,ram=/proc/self/fd/3,notify=9|"})
    EXPECT_NE(text.find(part), text.npos) << part << " in " << text;
  EXPECT_EQ(text.find("thread="), text.npos);
  // By hand the same machine, which nobody holds.
  const auto by_hand = joined(qemu_arguments(config, std::nullopt));
  EXPECT_NE(by_hand.find("-seed|7|"), by_hand.npos);
  EXPECT_EQ(by_hand.find("-plugin"), by_hand.npos);
}

TEST(InstrumentTest, AHoldIsToldUntilItIsEnded) {
  VmConfig config = sample_config();
  config.exact = Exact{.places = {{.address = 0x1000, .hold_at = 3}}, .hold_at = 500};
  const auto instrument = Instrument::create(config);
  ASSERT_TRUE(instrument) << instrument.error().message;
  ktrial_control& control = instrument->control();
  EXPECT_EQ(control.stop_at, 500u);
  EXPECT_EQ(control.places, 1u);
  EXPECT_EQ(control.place[0].hold_at, 3u);
  EXPECT_FALSE(instrument->held());
  // What the plugin does.
  control.instructions = 512;
  control.hold_cpu = 2;
  control.holding = KTRIAL_AT_COUNT;
  const auto hold = instrument->held();
  ASSERT_TRUE(hold);
  EXPECT_EQ(hold->why, Hold::Why::count);
  EXPECT_EQ(hold->cpu, 2u);
  EXPECT_EQ(hold->instructions, 512u);
  instrument->go_on();
  EXPECT_FALSE(instrument->held());
  EXPECT_EQ(control.go, 1u);
}

// The places are known when the kernel is up, and the plugin reads how many there are.
TEST(InstrumentTest, DelaysAreToldToARunningMachineAndCountedByIt) {
  VmConfig config = sample_config();
  config.delaying = "/p/a,b.so";
  QemuWiring wiring{3, 4, 5, {6, 7}};
  wiring.control_fd = 8;
  const auto text = joined(qemu_arguments(config, wiring));
  EXPECT_NE(text.find("-plugin|/p/a,,b.so,control=/proc/self/fd/8"), text.npos) << text;
  EXPECT_NE(text.find("tcg,thread=multi"), text.npos) << text;
  auto instrument = Instrument::create(config);
  ASSERT_TRUE(instrument) << instrument.error().message;
  ktrial_control& control = instrument->control();
  EXPECT_EQ(control.delaying, 1u);
  EXPECT_EQ(control.delays, 0u);
  ASSERT_TRUE(instrument->delay_at({{0x1055, 500us, .25}, {0x2000, 5us, 1}}));
  EXPECT_EQ(control.delays, 2u);
  EXPECT_EQ(control.delay[0].address, 0x1055u);
  EXPECT_EQ(control.delay[0].least_ns, 50'000u);
  EXPECT_EQ(control.delay[0].most_ns, 500'000u);
  EXPECT_EQ(control.delay[0].odds, 1ull << 30);
  EXPECT_EQ(control.delay[1].odds, 1ull << 32);  // more than any that is drawn: always
  control.delay[1].visits = 9;
  control.delay[1].delays = 3;
  control.delay[1].time_ns = 12'000;
  const auto counts = instrument->delayed();
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[1].visits, 9u);
  EXPECT_EQ(counts[1].delays, 3u);
  EXPECT_EQ(counts[1].time, 12us);
  EXPECT_FALSE(instrument->delay_at(std::vector<Delay>(17)));
}

TEST(QemuArgvTest, AResumedMachineBootsNothingAndNeverWritesToItsTemplate) {
  VmConfig config = sample_config();
  config.socket_for_plug = true;
  config.resume = ResumeFrom{.state = {"ram", "devices"}};
  QemuWiring wiring{3, 4, 5, {6, 7}};
  wiring.ram_shared = false;
  const auto text = joined(qemu_arguments(config, wiring));
  for (const char* part :
       {"share=off", "-incoming|defer|", "-action|shutdown=pause|", "pcie-root-port,id=plug"})
    EXPECT_NE(text.find(part), text.npos) << part << " in " << text;
  for (const char* part : {"share=on", "-kernel", "-initrd", "-append"})
    EXPECT_EQ(text.find(part), text.npos) << part << " in " << text;
  // By hand it is started from the beginning.
  EXPECT_NE(joined(qemu_arguments(config, std::nullopt)).find("-kernel|"), std::string::npos);
}

TEST(QemuArgvTest, ByHandNeedsNoDescriptorOfOurs) {
  auto text = joined(qemu_arguments(sample_config(), std::nullopt));
  EXPECT_EQ(text.find("fd="), text.npos);
  EXPECT_EQ(text.find("/proc/self/fd"), text.npos);
  EXPECT_NE(text.find("mon:stdio"), text.npos);
}

TEST(QemuArgvTest, ARootIsADeviceThatCannotBeWrittenTo) {
  VmConfig config;
  const auto shown = [&] { return shell_script("q", qemu_arguments(config, std::nullopt)); };
  config.root = VirtiofsDevice{"/t/a,b", "root"};
  EXPECT_NE(shown().find("socket,id=root,path=/t/a,,b"), std::string::npos);
  EXPECT_NE(shown().find("vhost-user-fs-pci,chardev=root,tag=root"), std::string::npos);
  config.root = DiskDevice{"/i"};
  EXPECT_NE(shown().find("file=/i,if=none,id=root,format=raw,readonly=on"), std::string::npos);
  config.root = DiskDevice{.image = "/i", .nvme = true, .writable = true};
  EXPECT_NE(shown().find("format=raw,snapshot=on"), std::string::npos);
  EXPECT_NE(shown().find("nvme,drive=root"), std::string::npos);
}

TEST(QemuArgvTest, KvmUsesTheHostCpu) {
  VmConfig config = sample_config();
  config.accel = Accel::kvm;
  EXPECT_NE(joined(qemu_arguments(config, std::nullopt)).find("-accel|kvm|-cpu|host"),
            std::string::npos);
}

TEST(QemuArgvTest, ShellScriptQuotesWhatAShellWouldTouch) {
  auto script = shell_script("qemu", {"-append", "a=\"b c\" $x 'y'", "-m", "1G"});
  EXPECT_EQ(script, "qemu \\\n  -append 'a=\"b c\" $x '\\''y'\\''' \\\n  -m 1G\n");
}

// As printed by QEMU 7.2 under TCG, lines cut to those that are read.
const arch::RegisterWords& kWords = arch::native().registers;

constexpr char kRegisters[] =
    "\r\nCPU#0\r\nRAX=0000000000000000 RBX=0\r\n"
    "RSI=0000000000000000 RDI=0 RBP=ffffc90000003f08 RSP=ffffc90000003ee0\r\n"
    "RIP=ffffffff81105a55 RFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n"
    "\r\nCPU#1\r\nRIP=00007f1200000010 RFL=00000246 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 HLT=0\r\n"
    "\r\nCPU#2\r\nRIP=ffffffff81c0ffee RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n";

TEST(QemuRegistersTest, ReadsEveryCpu) {
  auto samples = parse_registers(kRegisters, kWords);
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0], (VcpuSample{0, 0xffffffff81105a55, 0xffffc90000003ee0, 0xffffc90000003f08,
                                    false, false, false}));
  EXPECT_EQ(samples[1], (VcpuSample{1, 0x7f1200000010, 0, 0, true, true, false}));
  EXPECT_TRUE(samples[2].halted);
}

TEST(QemuRegistersTest, GarbageYieldsNothing) {
  EXPECT_TRUE(parse_registers("", kWords).empty());
  EXPECT_TRUE(parse_registers("CPU#CPU#x RIP= CPU#7 RIP=zz RFL=", kWords).empty());
}

struct QmpPair {
  QmpPair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
  }
  Fd ours, theirs;
};

TEST(QmpTest, AnswersEventsAndErrorsAreToldApart) {
  QmpPair pair;
  boost::asio::io_context io;
  std::vector<std::string> events;
  Qmp qmp(io, std::move(pair.ours),
          [&](const std::string& e, const auto&) { events.push_back(e); });
  // Ids count from 1; what the peer says first waits in the socket.
  ASSERT_TRUE(write_all(pair.theirs.get(),
                        "{\"QMP\":{}}\nnot json\n{\"return\":{}}\n{\"event\":\"STOP\"}\n"
                        "{\"return\":{\"status\":\"running\"},\"id\":1}\n"
                        "{\"error\":{\"desc\":\"no such thing\"},\"id\":2}\n"));
  EXPECT_TRUE(qmp.execute("query-status", nullptr, 10s));
  auto refused = qmp.execute("nonsense", nullptr, 10s);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no such thing"), std::string::npos);
  EXPECT_EQ(events, std::vector<std::string>{"STOP"});
}

TEST(QmpTest, SilentOrClosedMonitorIsAnErrorNotAHang) {
  QmpPair pair;
  boost::asio::io_context io;
  Qmp qmp(io, std::move(pair.ours), nullptr);
  EXPECT_FALSE(qmp.execute("query-status", nullptr, 20ms));
  pair.theirs.reset();
  auto closed = qmp.execute("query-status", nullptr, 30s);
  ASSERT_FALSE(closed);
  EXPECT_NE(closed.error().message.find("closed"), std::string::npos);
}

class AccelTest : public testing::Test {
 protected:
  Result<AccelChoice> choose(std::vector<FakeVm::Step> script,
                             std::optional<Accel> wanted = std::nullopt) {
    return choose_accel(clock,
                        {.wanted = wanted,
                         .kernel = "/k",
                         .kernel_id = "id",
                         .cache = dir->path() / "accel.json",
                         .patience = 200ms,
                         .kvm_device = "/dev/null"},
                        "7.2", [&](const VmConfig& config) -> Result<std::unique_ptr<Vm>> {
                          EXPECT_EQ(config.accel, Accel::kvm);
                          ++probes;
                          return std::make_unique<FakeVm>(clock, script);
                        });
  }
  FakeClock clock;
  Result<TempDir> dir = TempDir::create();
  int probes = 0;
};

TEST_F(AccelTest, KvmCountsOnlyAfterTheKernelPrinted) {
  auto choice =
      choose({{0ms, ConsoleBytes{"[    0.000000] Linux ver"}}, {0ms, ConsoleBytes{"sion 6.1"}}});
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->accel, Accel::kvm);
}

TEST_F(AccelTest, AStoppedMachineIsNoticedAtOnceAndRemembered) {
  auto choice = choose({{0ms, Stopped{"KVM internal error"}}});
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->accel, Accel::tcg);
  EXPECT_NE(choice->reason.find("KVM internal error"), std::string::npos);
  EXPECT_EQ(choose({{0ms, ConsoleBytes{"Linux version 6"}}})->accel, Accel::tcg);
  EXPECT_EQ(probes, 1);
}

// One busy moment must not mean TCG until the host reboots.
TEST_F(AccelTest, SilenceMeansTcgForAWhileOnly) {
  const std::vector<FakeVm::Step> silent = {{0ms, ConsoleBytes{"SeaBIOS"}}};
  const std::vector<FakeVm::Step> works = {{0ms, ConsoleBytes{"Linux version 6"}}};
  EXPECT_EQ(choose(silent)->accel, Accel::tcg);
  EXPECT_EQ(choose(works)->accel, Accel::tcg);
  EXPECT_EQ(probes, 1);

  const auto file = dir->path() / "accel.json";
  auto cache = nlohmann::json::parse(*read_file(file));
  ASSERT_EQ(cache.size(), 1u);
  for (const long ago_or_ahead_s : {-1000000000L, 1000000000L}) {  // past, or a clock set back
    auto aged = cache;
    auto& until = (*aged.begin())["until"];
    until = until.get<long>() + ago_or_ahead_s;
    ASSERT_TRUE(write_file_atomically(file, aged.dump()));
    EXPECT_EQ(choose(works)->accel, Accel::kvm) << ago_or_ahead_s;
  }
  EXPECT_EQ(probes, 3);
}

TEST_F(AccelTest, AnAnswerThatNobodyWroteIsNoAnswer) {
  for (const char* text : {"[]", "{", "{\"x\": 1}"}) {
    ASSERT_TRUE(write_file_atomically(dir->path() / "accel.json", text));
    EXPECT_EQ(choose({{0ms, ConsoleBytes{"Linux version 6"}}})->accel, Accel::kvm) << text;
  }
}

TEST_F(AccelTest, AKilledQemuSaysNothingForLong) {
  EXPECT_EQ(choose({{0ms, Exited{{true, 9}, ""}}})->accel, Accel::tcg);
  EXPECT_NE(read_file(dir->path() / "accel.json")->find("until"), std::string::npos);
}

TEST_F(AccelTest, DemandedButBrokenIsAnError) {
  auto choice = choose({{0ms, Exited{{false, 1}, "failed to set MSR 0x10a"}}}, Accel::kvm);
  ASSERT_FALSE(choice);
  EXPECT_EQ(choice.error().kind, ErrorKind::environment);
  EXPECT_NE(choice.error().message.find("MSR 0x10a"), std::string::npos);
}

TEST(LastWordsTest, AWarningIsNoReason) {
  EXPECT_EQ(without_warnings("warning: fd: migration to a file is deprecated\n"), "");
  EXPECT_EQ(without_warnings("qemu-system-x86_64: warning: TCG doesn't support it\n"
                             "qemu-system-x86_64: -m: no memory\n\n"),
            "qemu-system-x86_64: -m: no memory");
  EXPECT_EQ(without_warnings("one\ntwo"), "one\ntwo");
}

}  // namespace
}  // namespace ktrial::vm
