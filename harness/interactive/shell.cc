#include "harness/interactive/shell.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>

#include "harness/interactive/terminal.h"
#include "harness/root/choice.h"
#include "harness/run/run.h"
#include "harness/trial/plan.h"

namespace ktrial::interactive {
namespace {

constexpr char kBytes[] = "org.ktrial.terminal";
constexpr char kControl[] = "org.ktrial.terminal.control";
// bash where the root has it, with its own start-up files.
constexpr char kLogin[] = "command -v bash >/dev/null && exec bash -il; exec sh -i";

Status ask_for_a_shell(run::Job& job) {
  spec::TrialSpec& spec = job.spec;
  if (spec.channel != spec::ChannelKind::automatic &&
      spec.channel != spec::ChannelKind::virtio_serial)
    return usage_error("shell: its terminal needs --channel virtio-serial");
  if (spec.vmm != spec::Vmm::qemu) return usage_error("shell: needs --vmm qemu");
  spec.channel = spec::ChannelKind::virtio_serial;
  if (spec.command.empty()) spec.command = {"sh", "-c", kLogin};
  if (spec.root.empty()) spec.root = "host";
  if (!spec.timeout) spec.timeout = spec::kMaxDuration;
  spec.workload.clear();
  spec.repeat = 1;
  return {};
}

// The program that enters the root enters the terminal, too.
void give_terminal(trial::Plan& plan) {
  std::vector<std::string>& argv = plan.run.argv;
  if (argv.front() != root::kUserland) argv.insert(argv.begin(), {root::kUserland, "--"});
  argv.insert(argv.begin() + 1,
              {std::string("--terminal=") + kBytes, std::string("--control=") + kControl});
  const char* term = std::getenv("TERM");
  for (std::string& variable : plan.run.env)
    if (variable.starts_with("TERM=") && term != nullptr) variable = std::string("TERM=") + term;
}

// The line's end is the machine's: as Ctrl-C ends a run.
void leave(bool& left) {
  left = true;
  ::raise(SIGTERM);
}

}  // namespace

Result<ShellEnd> run_shell(run::Job job, const run::Sink& sink) {
  KTRIAL_TRY(ask_for_a_shell(job));
  std::optional<RawTerminal> raw;
  std::unique_ptr<Line> line;
  bool left = false, begun = false;
  ShellEnd end;
  std::optional<int> status;
  const auto adapt = [&](trial::Plan& plan) -> Status {
    give_terminal(plan);
    plan.ports = {kBytes, kControl};
    plan.on_start = [&](vm::Vm& vm, boost::asio::io_context& io) -> Status {
      Fd bytes = KTRIAL_TRY(vm.take_port(kBytes));
      Fd control = KTRIAL_TRY(vm.take_port(kControl));
      line = std::make_unique<Line>(io, std::move(bytes), std::move(control),
                                    Line::Handlers{.on_first_bytes =
                                                       [&] {
                                                         begun = true;
                                                         raw.emplace(STDIN_FILENO);
                                                       },
                                                   .on_left = [&] { leave(left); }});
      return {};
    };
    plan.on_end = [&] {
      if (line) status = line->exit();
      line.reset();
      raw.reset();
    };
    return {};
  };
  auto record = run::run_job(
      job,
      [&](const run::Event& event) {
        if (!begun || !line) sink(event);
      },
      adapt);
  if (!record && !left) return std::unexpected(std::move(record).error());
  if (record) end.record = *std::move(record);
  end.left = left;
  end.exit_status = status.value_or(0);
  return end;
}

}  // namespace ktrial::interactive
