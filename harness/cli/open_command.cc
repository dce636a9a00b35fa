// `ktrial open`: a machine as it stood when its trial failed.
#include <boost/asio/io_context.hpp>
#include <memory>

#include "harness/autopsy/autopsy.h"
#include "harness/cli/commands.h"
#include "harness/cli/kept_trial.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/kernel/kernel.h"
#include "harness/trial/kept_machine.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {
namespace fs = std::filesystem;

struct OpenFlags {
  std::string run = "last", results, core;
  int trial = -1;
};

Result<int> open_machine(const OpenFlags& flags) {
  const auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.results)));
  const auto run = KTRIAL_TRY(store.load(flags.run));
  const fs::path folder = KTRIAL_TRY(kept_trial(run, flags.trial)).artifacts;
  boost::asio::io_context io;
  const auto cache = KTRIAL_TRY(kernel::default_cache_dir());
  const auto seen = KTRIAL_TRY(
      trial::open_kept_machine(io, folder, {.symbols = cache / "symbols", .core = flags.core}));
  to_stdout("{}", autopsy::to_text(seen));
  return 0;
}

}  // namespace

void add_open(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("open", "The machine of a failed trial, as it stood: loaded, looked at");
  auto flags = std::make_shared<OpenFlags>();
  OpenFlags& f = *flags;
  command->add_option("RUN", f.run, "Id, folder, or last [last]");
  command->add_option("--trial", f.trial, "Its number [the first that kept its machine]");
  command->add_option("--core", f.core, "Write a core file there, for crash, drgn, makedumpfile");
  command->add_option("--results", f.results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command->footer(R"(Examples:
  ktrial run --kernel bzImage --workload mmcid-vfork --keep-machine
  ktrial open
  ktrial open last --trial 2 --core vmcore

The machine is loaded into a QEMU, paused, and nothing in it goes on: open it as often as you like.)");
  command->callback([&action, flags] { action = [flags] { return open_machine(*flags); }; });
}

}  // namespace ktrial::cli
