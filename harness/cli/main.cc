#include <fmt/core.h>
#include <signal.h>

#include "harness/cli/commands.h"
#include "harness/cli/exit_codes.h"

namespace {

constexpr char kFooter[] = R"(Examples:
  ktrial run                                        the default workload on the distribution's cloud kernel
  ktrial run --kernel arch/x86/boot/bzImage --workload fork-storm --repeat 10
  ktrial run --kernel deb:linux-image-cloud-amd64 -- uname -a
  git bisect run ktrial run --kernel .              a build tree, judged commit by commit
  ktrial analyze console.log
  ktrial doctor                                     what is missing here, and how to mend it

Exit status: 0 pass, 1 the kernel failed, 125 inconclusive, 128 ktrial cannot work here,
129 usage or configuration, 130 interrupted.)";

void print(const ktrial::Error& error) {
  fmt::print(stderr, "ktrial: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "  {}\n", error.hint);
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // a reader that went away is a write error like any other
  CLI::App app{"ktrial puts a Linux kernel on trial: boots it in a VM, stresses it, judges it."};
  app.name("ktrial");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", "ktrial " KTRIAL_VERSION);
  ktrial::cli::Action action;
  ktrial::cli::Invocation invocation{{argv, argv + argc}, {}};
  // All after "--" is the guest's command, whatever it looks like.
  int ours = 1;
  while (ours < argc && std::string_view(argv[ours]) != "--") ++ours;
  if (ours < argc) invocation.command.assign(argv + ours + 1, argv + argc);
  ktrial::cli::add_run(app, action, invocation);
  ktrial::cli::add_analyze(app, action);
  ktrial::cli::add_doctor(app, action);
  ktrial::cli::add_workload(app, action);
  ktrial::cli::add_selftest(app, action, invocation);
  ktrial::cli::add_bisect(app, action, invocation);
  ktrial::cli::add_kernel(app, action);
  ktrial::cli::add_report(app, action);
  ktrial::cli::add_trace(app, action);
  ktrial::cli::add_completion(app, action);
  try {
    app.parse(ours, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version arrive here too, with exit code 0.
    const int code = app.exit(error);
    return code == 0 ? 0 : ktrial::cli::exit_code(ktrial::ErrorKind::usage);
  }
  auto result = action();
  if (result) return *result;
  print(result.error());
  return ktrial::cli::exit_code(result.error().kind);
}
