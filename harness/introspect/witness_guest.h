// For tests: a healthy guest that told its own word and was then stopped.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "harness/base/file.h"
#include "harness/introspect/kernel.h"
#include "harness/kernel/kernel.h"
#include "harness/vm/vm.h"

namespace ktrial::introspect {

struct WitnessConfig {
  std::string append = "";  // to the kernel's command line
  std::uint64_t memory_mib = 640;
  std::string machine = "";  // the first
  bool share_ram = true;     // false: it is dumped
};

// The kernel of a reference, out of the cache or the archive. "newest": the newest cloud kernel
// in the Debian suites of this machine's mirror.
inline constexpr std::string_view kNewest = "newest";
Result<kernel::Kernel> find_kernel(std::string_view reference);

// What would be known of this kernel had it been built without CONFIG_KALLSYMS_ALL: the symbols
// of its functions, and what is found by its shape.
SymbolTable without_data_symbols(const Kernel& kernel);

class WitnessGuest {
 public:
  // Boots `kernel` with witness.c as init, waits for all that it sends, and
  // pauses the machine.
  static Result<std::unique_ptr<WitnessGuest>> boot(const kernel::Kernel& kernel,
                                                    const WitnessConfig& config);

  // What it sent: "kallsyms", "modules", "btf", "vmcoreinfo" (the files of these
  // names), "tasks" (the stat line of every thread), "stacks"
  // ("#TID", then its /proc/TID/stack), "kmsg" (records of /dev/kmsg). With trace_event= in
  // the command line also "trace0", "stats0" (of CPU 0's ring, tracing stopped, a part of
  // it consumed), "trace1", "stats1", and "formats" ("#EVENT", then its format).
  const std::map<std::string, std::string>& word() const { return word_; }
  const std::string& console() const { return console_; }  // all of it
  vm::Vm& vm() { return *vm_; }
  Result<std::unique_ptr<RamFile>> ram();

 private:
  explicit WitnessGuest(TempDir folder) : folder_(std::move(folder)) {}
  Status start(const kernel::Kernel& kernel, const WitnessConfig& config);
  Status listen(Fd port);
  bool take_sections();  // true: the last one is there

  TempDir folder_;
  boost::asio::io_context io_;
  std::string console_, received_, ended_;
  std::map<std::string, std::string> word_;
  std::unique_ptr<vm::Vm> vm_;  // before what its events go to
};

}  // namespace ktrial::introspect
