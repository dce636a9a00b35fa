#include "harness/trial/command_line.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include "harness/arch/host_counter.h"
#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::trial {

namespace {

constexpr std::string_view kDelayLoop = "lpj";

// Timer ticks a second of this kernel; 0: unknown.
unsigned timer_hz(const kernel::Kernel& kernel) {
  // Debian's later packages come without a config.
  if (!kernel.config)
    return kernel.release.ends_with(kernel.arch->package_suffix) ? kernel.arch->debian_hz : 0;
  const auto config = read_file(*kernel.config);
  if (!config) return 0;
  static constexpr std::string_view kKey = "\nCONFIG_HZ=";
  const std::size_t at = config->find(kKey);
  if (at == std::string::npos) return 0;
  return static_cast<unsigned>(std::strtoul(config->c_str() + at + kKey.size(), nullptr, 10));
}

}  // namespace

std::string kernel_command_line(const spec::TrialSpec& spec, const spec::Timeouts& timeouts,
                                const kernel::Kernel& kernel, vm::Accel accel) {
  const arch::Arch& arch = *kernel.arch;
  std::vector<std::string> words = {
      "console=" + arch.console,
      "ignore_loglevel",
      "printk.time=1",
      "printk.devkmsg=on",
      "panic=-1",          // reset at once: QEMU then ends, and we know
      "panic_print=0x40",  // of our NMI: backtraces of all CPUs
      "softlockup_all_cpu_backtrace=1",
      "sysrq_always_enabled",
      "audit=0",
      "random.trust_cpu=on",
  };
  words.insert(words.end(), arch.boot_words.begin(), arch.boot_words.end());
  if (accel == vm::Accel::tcg) {
    words.insert(words.end(), arch.tcg_words.begin(), arch.tcg_words.end());
    const unsigned khz = arch.counter_khz.empty() ? 0 : arch::host_counter_khz();
    // TCG's counter is the host's. A kernel that calibrates it against a timer on a busy
    // host may be wrong by a factor of thirty: its clock then runs away and every
    // detector fires. (A microvm has no such timer at all.)
    if (khz != 0) words.push_back(fmt::format("{}={}", arch.counter_khz, khz));
    // TCG's counter is not "constant", so every CPU would measure its delay loop, badly
    // and for a tenth of a second; this is the value that a real one gives.
    if (const unsigned hz = timer_hz(kernel); hz != 0 && khz != 0)
      words.push_back(fmt::format("{}={}", kDelayLoop, khz * 1000ULL / hz));
  }
  for (std::string& word : spec::detector_arguments(timeouts.detectors))
    words.push_back(std::move(word));
  std::string out;
  for (const std::string& word : words) out += word + " ";
  return out + spec.append;
}

std::string without_measured_words(const std::string& command_line, const arch::Arch& arch) {
  std::string out;
  for (const std::string_view word : split(command_line, ' ')) {
    const std::string_view key = word.substr(0, word.find('='));
    if (key == kDelayLoop || (!key.empty() && key == arch.counter_khz)) continue;
    out += std::string(word) + " ";
  }
  return out;
}

}  // namespace ktrial::trial
