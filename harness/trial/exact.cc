#include "harness/trial/exact.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/kernel/digest.h"
#include "harness/spec/parse.h"
#include "harness/trial/exact_paths.h"
#include "harness/trial/trace_files.h"

namespace ktrial::trial {
namespace {

constexpr char kRegisters[] = "registers.txt";
// How far ahead a machine is held: what it runs until our word has reached it is less.
constexpr std::uint64_t kAhead = 8'000'000, kRound = 1'000'000;
// Of a machine that ended by itself, whose last instructions are not counted to the end.
constexpr std::uint64_t kBeforeEnd = 2'000'000;
constexpr std::uint64_t kLongestBlock = 512;  // instructions of one
constexpr std::size_t kPage = 4096;
constexpr std::size_t kMostConsole = 65u << 20;  // bytes

std::string first_line_that_differs(std::string_view then, std::string_view now) {
  for (int number = 1;; ++number) {
    const auto a = take_line(then), b = take_line(now);
    if (!a && !b) return "";
    if (a == b) continue;
    return fmt::format("line {}: {} / {}", number, a ? spec::in_quotes(*a) : "(nothing)",
                       b ? spec::in_quotes(*b) : "(nothing)");
  }
}

// "6.1.0-57-cloud-amd64", "7.2.22": the first two numbers.
std::pair<int, int> version_of(std::string_view text) {
  std::pair<int, int> out{0, 0};
  if (std::sscanf(std::string(text).c_str(), "%d.%d", &out.first, &out.second) != 2) return {};
  return out;
}

std::string head_of(const std::filesystem::path& file, std::uint64_t bytes) {
  std::string text = read_file(file, kMostConsole).value_or("");
  if (text.size() > bytes) text.resize(bytes);
  return text;
}

// One that ended by itself is compared up to where the other was held. Of what was blotted out in a
// bundle's log only the digest tells.
std::string console_parting(const ExactSide& then, const ExactSide& now) {
  const results::Determinism &a = then.state, &b = now.state;
  if (!a.held.empty() && !b.held.empty() && a.console_bytes == b.console_bytes &&
      a.console_sha256 == b.console_sha256)
    return "";
  const std::uint64_t bytes = std::min(a.console_bytes, b.console_bytes);
  return first_line_that_differs(head_of(then.folder / "console.log", bytes),
                                 head_of(now.folder / "console.log", bytes));
}

}  // namespace

Result<std::string> ram_digest(const vm::GuestRam& ram) {
  kernel::Sha256 digest;
  std::string chunk(1 << 20, '\0');
  const std::string zero(kPage, '\0');
  for (std::uint64_t at = 0; at < ram.bytes;) {
    const off_t data = ::lseek(ram.fd.get(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // holes to the end
    if (data > 0) at = static_cast<std::uint64_t>(data) / kPage * kPage;
    const std::size_t want = std::min<std::uint64_t>(chunk.size(), ram.bytes - at);
    const ssize_t got = ::pread(ram.fd.get(), chunk.data(), want, static_cast<off_t>(at));
    if (got <= 0) return fail_errno("read the guest's RAM", got < 0 ? errno : EIO);
    for (std::size_t page = 0; page + kPage <= static_cast<std::size_t>(got); page += kPage) {
      const std::string_view bytes = std::string_view(chunk).substr(page, kPage);
      if (bytes == zero) continue;
      digest.add(std::to_string(at + page));
      digest.add(bytes);
    }
    at += static_cast<std::uint64_t>(got);
  }
  return digest.hex();
}

EndState::EndState(const Scene& scene) : scene_(scene), state_(scene.plan.pinned) {
  state_.seed = scene.plan.exact->seed;
  state_.shift = scene.plan.exact->shift;
  state_.not_held = scene.plan.no_plugin;
  scene.monitor.set_console_tap([this](std::string_view bytes) { console_ += bytes; });
  vm::Countable* machine = scene.vm.countable();
  if (machine == nullptr) return;
  scene.monitor.set_count([machine] { return machine->instructions(); });
  scene.monitor.set_between([this] { look(); });
}

EndState::~EndState() {
  scene_.monitor.set_between(nullptr);
  scene_.monitor.set_count(nullptr);
  scene_.monitor.set_console_tap(nullptr);
}

// Whether it is held, and what that means.
void EndState::look() {
  vm::Countable& machine = *scene_.vm.countable();
  const auto hold = machine.held();
  if (!hold || over_) return;
  if (!taken()) read_state(*hold);
  if (!scene_.plan.ends_when_held) return machine.go_on();
  over_ = true;
  scene_.monitor.interrupt(0);  // that was what it was for
}

void EndState::read_state(const vm::Hold& hold) {
  using Why = vm::Hold::Why;
  const auto patience = scene_.plan.timeouts.monitor_reply;
  vm::Countable& machine = *scene_.vm.countable();
  const auto registers = machine.registers(patience);
  const auto ram = scene_.vm.ram(patience);
  const auto digest = ram ? ram_digest(*ram) : std::unexpected(ram.error());
  if (!registers || !digest) {
    state_.not_held = !registers ? registers.error().message : digest.error().message;
    return;
  }
  if (hold.why == Why::count && asked_ != 0 && hold.instructions > asked_ + kLongestBlock) {
    state_.not_held = "the machine had already run beyond the count at which it was to be held";
    return;
  }
  state_.held = hold.why == Why::end ? "end" : "count";
  state_.not_held.clear();
  state_.instructions = hold.instructions;
  state_.by_cpu = machine.by_cpu();
  state_.console_bytes = console_.size();
  state_.console_sha256 = kernel::sha256(console_);
  state_.registers_sha256 = kernel::sha256(*registers);
  state_.ram_sha256 = *digest;
  write_trial_file(scene_, kRegisters, *registers);
  write_trial_file(scene_, kPathsFile, to_text(machine.paths()));
  scene_.context.observer.on_event("held", fmt::format("at {} instructions", hold.instructions));
  if (scene_.plan.when_held) scene_.plan.when_held(scene_.vm);
}

void EndState::take() {
  vm::Countable* machine = scene_.vm.countable();
  // A replay is held where the other was, and nowhere else.
  const bool is_replay = scene_.plan.ends_when_held;
  if (machine != nullptr && !taken() && !scene_.monitor.vm_ended()) {
    if (!is_replay) {
      asked_ = (machine->instructions() + kAhead) / kRound * kRound + kRound;
      machine->hold_at(asked_);
    }
    if (!scene_.monitor.wait_until([&] { return taken() || !state_.not_held.empty(); },
                                   scene_.plan.timeouts.proof) &&
        state_.not_held.empty())
      state_.not_held =
          is_replay ? "it did not come to where it was to be held" : "the machine ran no further";
  }
  if (taken()) return;
  state_.console_bytes = console_.size();
  state_.console_sha256 = kernel::sha256(console_);
  if (machine == nullptr) return;
  state_.instructions = machine->instructions();
  state_.by_cpu = machine->by_cpu();
  if (state_.not_held.empty()) state_.not_held = "the machine had ended by itself";
}

std::vector<std::string> exact_argv(const Plan& plan, vm::VmConfig config) {
  config.kernel = "kernel";
  config.initrd = "initramfs";
  config.exact->plugin.clear();
  const std::string all = plan.vmm.identity(config);
  std::vector<std::string> out;
  std::string_view rest = all;
  constexpr int kAboutTheProgram = 3;  // lines
  for (int number = 0; const auto line = take_line(rest); ++number)
    if (number >= kAboutTheProgram) out.emplace_back(*line);
  return out;
}

std::string why_cpus_starve(std::string_view kernel_release, std::string_view qemu_version,
                            int cpus) {
  constexpr std::pair kKernel{6, 5}, kQemu{8, 1};
  const auto kernel = version_of(kernel_release), qemu = version_of(qemu_version);
  const bool known = kernel.first > 0 && qemu.first > 0;
  if (cpus < 2 || !known || kernel >= kKernel || qemu >= kQemu) return "";
  return fmt::format(
      "Linux {} waits for each CPU that it starts, and QEMU {} lets no other run meanwhile when it "
      "counts instructions: the boot of {} CPUs would take minutes",
      kernel_release, qemu_version, cpus);
}

std::optional<std::uint64_t> hold_for(const results::Determinism& one) {
  if (one.held == "end") return std::nullopt;
  if (one.held.empty()) {
    const std::uint64_t before = one.instructions > kBeforeEnd ? one.instructions - kBeforeEnd : 1;
    return std::max<std::uint64_t>(before / kRound * kRound, 1);
  }
  return one.instructions;
}

std::string first_parting(const ExactSide& then, const ExactSide& now) {
  const results::Determinism &a = then.state, &b = now.state;
  const auto differ = [](const char* what, const auto& x, const auto& y) {
    return fmt::format("{}: {} / {}", what, x, y);
  };
  if (a.kernel_sha256 != b.kernel_sha256) return differ("kernel", a.kernel_sha256, b.kernel_sha256);
  if (a.initramfs_sha256 != b.initramfs_sha256)
    return differ("initramfs", a.initramfs_sha256, b.initramfs_sha256);
  if (a.qemu_sha256 != b.qemu_sha256)
    return differ("QEMU", a.qemu_version + " " + a.qemu_sha256,
                  b.qemu_version + " " + b.qemu_sha256);
  for (std::size_t i = 0; i < std::max(a.argv.size(), b.argv.size()); ++i) {
    const std::string x = i < a.argv.size() ? a.argv[i] : "",
                      y = i < b.argv.size() ? b.argv[i] : "";
    if (x != y) return differ("QEMU's command line", x, y);
  }
  if (const auto line = console_parting(then, now); !line.empty()) return "console, " + line;
  // What was killed on its way is no witness, however much of it was alike.
  const bool could_be_held = b.instructions != 0;  // there was a plugin, which counted
  if (b.held.empty() && (!a.held.empty() || could_be_held)) return "end state: none; " + b.not_held;
  if (a.held.empty() && b.held.empty())
    return a.console_bytes == b.console_bytes
               ? ""
               : differ("console, bytes", a.console_bytes, b.console_bytes);
  if (a.held.empty()) return "";
  if (a.held != b.held) return differ("where the machine was held", a.held, b.held);
  if (a.console_bytes != b.console_bytes || a.console_sha256 != b.console_sha256)
    return differ("console, bytes", a.console_bytes, b.console_bytes);
  if (a.instructions != b.instructions)
    return differ("instructions", a.instructions, b.instructions);
  for (std::size_t i = 0; i < std::min(a.by_cpu.size(), b.by_cpu.size()); ++i)
    if (a.by_cpu[i] != b.by_cpu[i])
      return differ(fmt::format("instructions of vCPU {}", i).c_str(), a.by_cpu[i], b.by_cpu[i]);
  if (a.registers_sha256 != b.registers_sha256) {
    const std::string x = head_of(then.folder / kRegisters, kMostConsole),
                      y = head_of(now.folder / kRegisters, kMostConsole);
    if (x.empty() || y.empty())  // one of the files was lost
      return differ("registers (SHA-256)", a.registers_sha256, b.registers_sha256);
    return "registers, " + first_line_that_differs(x, y);
  }
  if (a.ram_sha256 != b.ram_sha256) return differ("RAM", a.ram_sha256, b.ram_sha256);
  return "";
}

}  // namespace ktrial::trial
