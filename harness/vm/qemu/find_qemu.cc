#include <re2/re2.h>

#include <cstdlib>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/spec/timeouts.h"
#include "harness/vm/qemu/qemu_vm.h"

namespace ktrial::vm {

Result<QemuInstall> find_qemu(std::stop_token stop, const arch::Arch& arch) {
  const char* named = std::getenv("KTRIAL_QEMU");
  const std::string name = named != nullptr && *named != '\0' ? named : arch.qemu;
  auto program = find_program(name);
  if (!program)
    return fail(ErrorKind::environment, name + " is not installed or not executable",
                "install it with `apt-get install " + arch.qemu_package + "`, or set KTRIAL_QEMU");
  auto output = KTRIAL_TRY(
      run_command({program->string(), "--version"},
                  {.timeout = spec::host_wait(spec::HostWait::program_version), .stop = stop}));
  int major = 0;
  std::string version;
  if (!RE2::PartialMatch(output.out, R"(QEMU emulator version ((\d+)\.[\d.]+))", &version, &major))
    return fail(ErrorKind::environment,
                program->string() + " does not answer --version as QEMU does");
  // 7.0: memory backends, sandbox and QMP behave as the tests expect from there on.
  if (major < 7)
    return fail(ErrorKind::environment, program->string() + " is version " + version + ", too old",
                "ktrial needs QEMU 7.0 or newer; set KTRIAL_QEMU to another one");
  return QemuInstall{*program, version};
}

}  // namespace ktrial::vm
