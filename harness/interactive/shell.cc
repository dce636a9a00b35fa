#include "harness/interactive/shell.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>

#include "harness/interactive/sessions.h"
#include "harness/interactive/terminal.h"
#include "harness/root/choice.h"
#include "harness/run/run.h"
#include "harness/trial/plan.h"
#include "harness/trial/warm_start.h"

namespace ktrial::interactive {
namespace {

constexpr char kBytes[] = "org.ktrial.terminal";
constexpr char kControl[] = "org.ktrial.terminal.control";
constexpr int kMoreSessions = 6;
// The ports of another session, from 1 on: guest/userland/terminal.h.
std::string bytes_of(int session) { return fmt::format("{}.{}", kBytes, session); }
std::string control_of(int session) { return bytes_of(session) + ".control"; }
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
  job.of_many = std::max(job.of_many, trial::kWorthATemplate);  // there will be others
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

Result<std::unique_ptr<Sessions>> open_sessions(vm::Vm& vm, boost::asio::io_context& io,
                                                const std::filesystem::path& folder) {
  std::vector<SessionPorts> ports;
  for (int i = 1; i <= kMoreSessions; ++i)
    ports.push_back(
        {KTRIAL_TRY(vm.take_port(bytes_of(i))), KTRIAL_TRY(vm.take_port(control_of(i)))});
  return Sessions::open(io, folder, std::move(ports));
}

// Of a machine with these ports.
Status choose_template_anew(trial::Plan& plan) {
  if (!plan.warm) return {};
  plan.warm = nullptr;
  return trial::plan_warm_start(plan, vm::TemplateStore::default_options());
}

}  // namespace

Result<Visit> join_shell(const std::filesystem::path& run_folder,
                         const std::function<void(const std::string&)>& say) {
  Lent lent = KTRIAL_TRY(borrow_session(run_folder));
  say(fmt::format("session {} of run {}{}; Ctrl-] leaves it as it is", lent.number,
                  run_folder.filename().string(),
                  lent.again ? ", as it was left (Enter shows its prompt)" : ""));
  boost::asio::io_context io;
  Visit visit;
  bool gone = false;
  {
    const RawTerminal raw(STDIN_FILENO);
    const Line line(io, std::move(lent.ports.bytes), std::move(lent.ports.control),
                    {.on_first_bytes = [] {},
                     .on_left = [&] { visit.left = true; },
                     .on_gone = [&] { gone = true; }});
    while (!visit.left && !gone && !line.exit()) io.run_one();
    io.poll();  // its last words
    visit.exit_status = line.exit().value_or(0);
    if (line.exit()) give_back(lent);
  }
  if (gone) return fail(ErrorKind::environment, "the guest of that run is gone");
  return visit;
}

Result<ShellEnd> run_shell(run::Job job, const run::Sink& sink) {
  KTRIAL_TRY(ask_for_a_shell(job));
  std::optional<RawTerminal> raw;
  std::unique_ptr<Line> line;
  std::unique_ptr<Sessions> sessions;
  std::filesystem::path folder;
  bool left = false, begun = false;
  ShellEnd end;
  std::optional<int> status;
  const auto adapt = [&](trial::Plan& plan) -> Status {
    give_terminal(plan);
    plan.one_of_many = false;
    plan.ports = {kBytes, kControl};
    for (int i = 1; i <= kMoreSessions; ++i)
      plan.ports.insert(plan.ports.end(), {bytes_of(i), control_of(i)});
    KTRIAL_TRY(choose_template_anew(plan));
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
      sessions = KTRIAL_TRY(open_sessions(vm, io, folder));
      return {};
    };
    plan.on_end = [&] {
      if (line) status = line->exit();
      sessions.reset();
      line.reset();
      raw.reset();
    };
    return {};
  };
  auto record = run::run_job(
      job,
      [&](const run::Event& event) {
        if (const auto* begins = std::get_if<run::Begun>(&event.what)) folder = begins->directory;
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
