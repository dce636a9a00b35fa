#include "harness/interactive/drgn.h"

#include <optional>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/interactive/foreground.h"
#include "harness/spec/timeouts.h"
#include "harness/trial/kept_machine.h"

namespace ktrial::interactive {
namespace fs = std::filesystem;

namespace {

// Arguments: the core file, "-c" and code, or a script, or nothing. drgn before 0.3 reads no
// kallsyms: then there are no names. Types are what no drgn finds without debug information.
constexpr char kPrelude[] = R"py(import sys, drgn
prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
release = prog["UTS_RELEASE"].string_().decode()
try:
    from drgn.helpers.linux.kallsyms import load_vmlinux_kallsyms
    prog.register_symbol_finder("kallsyms", load_vmlinux_kallsyms(prog), enable_index=0)
    names = "symbols from kallsyms"
except ImportError:
    names = ("no symbols: drgn %s is older than 0.3, which reads kallsyms (Debian sid's "
             "python3-drgn, or pip install drgn)" % getattr(drgn, "__version__", "?"))
print("drgn on %s: %s; no types, as there is no debug information" % (release, names),
      file=sys.stderr)
scope = {"prog": prog, "drgn": drgn, "__name__": "__main__"}
if len(sys.argv) > 3 and sys.argv[2] == "-c":
    exec(compile(sys.argv[3], "<code>", "exec"), scope)
elif len(sys.argv) > 2:
    exec(compile(open(sys.argv[2]).read(), sys.argv[2], "exec"), scope)
else:
    import code
    code.interact(banner="prog is the guest's memory; prog.symbol('NAME'), prog.read(ADDRESS, SIZE)",
                  local=scope, exitmsg="")
)py";

constexpr char kHint[] =
    "apt install python3-drgn, or pip install drgn; 0.3 or newer reads the kernel's symbols "
    "(Debian 12 has 0.0.22: memory, but no names). `ktrial gdb` needs no drgn";

// The user's own, else the distribution's, which its package is for.
Result<fs::path> find_python() {
  std::string problem = "there is no python3, which drgn needs";
  for (const char* name : {"python3", "/usr/bin/python3"}) {
    const auto python = find_program(name);
    if (!python) continue;
    const auto tried =
        KTRIAL_TRY(run_command({python->string(), "-c", "import drgn"},
                               {.timeout = spec::host_wait(spec::HostWait::program_version)}));
    if (tried.ok()) return *python;
    problem = "there is no drgn: " + last_line(tried.err);
  }
  return fail(ErrorKind::environment, problem, kHint);
}

// Made out of the kept machine, where the trial wrote none.
Result<fs::path> core_of(boost::asio::io_context& io, const fs::path& artifacts,
                         const fs::path& scratch, const DrgnOptions& options) {
  std::error_code error;
  if (fs::path core = artifacts / "vmcore"; fs::exists(core, error)) return core;
  if (!fs::exists(artifacts / trial::kMachineJson, error))
    return usage_error(artifacts.string() + " has neither a core file nor a machine",
                       "`ktrial run --core` or `--keep-machine` keeps one of a trial that fails");
  fs::path core = scratch / "vmcore";
  KTRIAL_TRY(trial::open_kept_machine(io, artifacts, {.symbols = options.symbols, .core = core}));
  if (fs::exists(core, error)) return core;
  return fail(ErrorKind::environment, "no core file could be made of the kept machine",
              "`ktrial open` shows what can be read of it");
}

}  // namespace

Result<int> run_drgn(boost::asio::io_context& io, const fs::path& artifacts,
                     const DrgnOptions& options) {
  const fs::path python = KTRIAL_TRY(find_python());
  const TempDir scratch = KTRIAL_TRY(TempDir::create());
  std::vector<std::string> arguments = {
      "-c", kPrelude, KTRIAL_TRY(core_of(io, artifacts, scratch.path(), options)).string()};
  if (!options.code.empty())
    arguments.insert(arguments.end(), {"-c", options.code});
  else if (!options.script.empty())
    arguments.push_back(options.script.string());
  return run_in_foreground(io, python, arguments);
}

}  // namespace ktrial::interactive
