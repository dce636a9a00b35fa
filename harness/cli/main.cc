#include <signal.h>

#include "harness/cli/commands.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/usage.h"
#include "results/version.h"

namespace {

constexpr char kFooter[] = R"(Examples:
  ktrial run                                        the default workload on the distribution's cloud kernel
  ktrial run --kernel arch/x86/boot/bzImage --workload fork-storm --repeat 10
  ktrial run --kernel deb:linux-image-cloud-amd64 -- uname -a
  git bisect run ktrial run --kernel .              a build tree, judged commit by commit
  ktrial analyze console.log
  ktrial doctor                                     what is missing here, and how to mend it

Exit status: 0 pass, 1 the kernel failed, 125 inconclusive, 128 ktrial cannot work here,
129 usage or configuration, 130 interrupted.

Environment:
  KTRIAL_TIMEOUT_SCALE=3     multiplies every wait, on a slow host
  KTRIAL_QEMU=FILE           the QEMU to use instead of the one in PATH
  XDG_STATE_HOME=DIR         parent of results [~/.local/state]
  XDG_CACHE_HOME=DIR         parent of downloads [~/.cache])";

int fail(const ktrial::Error& error) {
  ktrial::cli::to_stderr("ktrial: {}\n", error.message);
  if (!error.hint.empty()) ktrial::cli::to_stderr("  {}\n", error.hint);
  return ktrial::cli::exit_code(error.kind);
}

}  // namespace

int main(int argc, char** argv) {
  ktrial::cli::hold_standard_descriptors();
  ktrial::results::set_ktrial_version(KTRIAL_VERSION);
  ::signal(SIGPIPE, SIG_IGN);  // a reader that went away is a write error like any other
  CLI::App app{"ktrial puts a Linux kernel on trial: boots it in a VM, stresses it, judges it."};
  app.name("ktrial");
  app.require_subcommand(1);
  app.set_version_flag("--version", "ktrial " KTRIAL_VERSION);
  ktrial::cli::Action action;
  ktrial::cli::Invocation invocation{{argv, argv + argc}, {}};
  // All after "--" is the guest's command, whatever it looks like.
  int ours = 1;
  while (ours < argc && std::string_view(argv[ours]) != "--") ++ours;
  if (ours < argc) invocation.command.assign(argv + ours + 1, argv + argc);
  if (ours + 1 == argc)
    return fail(
        {ktrial::ErrorKind::usage, "no command stands after --", "leave -- out, or name one"});
  ktrial::cli::add_commands(app, action, invocation);
  app.footer(kFooter);  // now: commands that have none would inherit it
  ktrial::cli::refuse_empty_values(app);
  try {
    app.parse(ours, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    return fail(ktrial::cli::usage_problem(app, error));
  }
  auto result = action();
  const auto written = ktrial::cli::finish_output();
  if (!result) return fail(result.error());
  return written ? *result : fail(written.error());
}
