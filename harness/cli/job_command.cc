// `ktrial job`: one job in this process. What engines start.
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/exit_codes.h"
#include "harness/engine/slurm/courier.h"
#include "harness/engine/slurm/task.h"
#include "harness/run/event_writer.h"
#include "harness/run/run.h"

namespace ktrial::cli {
namespace {

// The exit code. A task has CPUs of its own; its node does not open the index.
enum class As { job, task };
Result<int> run_there(const run::Job& job, const run::Sink& sink, As as) {
  if (!job.working_dir.empty() && ::chdir(job.working_dir.c_str()) != 0)
    return fail_errno("change to " + job.working_dir.string(), errno, ErrorKind::usage);
  // A commit that does not compile is one to skip, as for `kernel build`.
  if (job.kernel_only) {
    const auto cpus = as == As::task ? run::CpuTime::own : run::CpuTime::left_over;
    return KTRIAL_TRY(run::make_kernel(job, sink, cpus)).kernel.empty() ? 125 : 0;
  }
  return exit_code(KTRIAL_TRY(run::run_job(job, sink, {}, as == As::job)).verdict.outcome);
}

run::Ended ended_by(const Result<int>& exit) {
  if (exit) return {*exit, {}};
  return {exit_code(exit.error().kind), exit.error()};
}

Result<int> run(const std::string& file) {
  const run::Job job = KTRIAL_TRY(run::load_job(file));
  run::EventWriter writer(STDOUT_FILENO);
  double last_s = 0;
  const auto hear = [&](const run::Event& event) {
    last_s = event.at_s;
    writer.tell(event);
  };
  const auto exit = run_there(job, hear, As::job);
  writer.tell({last_s, std::nullopt, ended_by(exit)});
  KTRIAL_TRY(writer.finish());
  return exit;
}

Result<int> run_task(const std::string& file, const std::string& courier) {
  const auto work = [](const std::filesystem::path& taken, const run::Sink& sink) {
    const auto job = run::load_job(taken);
    if (!job) return ended_by(std::unexpected(job.error()));
    return ended_by(run_there(*job, sink, As::task));
  };
  const auto place = engine::slurm::place_of(file);
  if (courier.empty())
    KTRIAL_TRY(engine::slurm::run_task(place, work));
  else
    KTRIAL_TRY(
        engine::slurm::run_far_task(place, KTRIAL_TRY(engine::slurm::courier_from(courier)), work));
  return 0;
}

}  // namespace

void add_job(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("job", "Runs one job file; what `run --jobs` and others start");
  auto file = std::make_shared<std::string>();
  auto task = std::make_shared<bool>(false);
  command->add_option("FILE", *file, "job.json, as a run's folder has one")->required();
  command->add_flag("--task", *task,
                    "It is a task of a fleet's: what happens is told in files beside FILE");
  auto courier = std::make_shared<std::string>();
  command
      ->add_option("--courier", *courier,
                   "Of a task whose node does not see FILE: how files come and go")
      ->needs("--task");
  command->footer(R"(Examples:
  ktrial job ~/.local/state/ktrial/runs/20260301-123456.789-abcd/job.json     once more, as it was

Stdout tells what happens, a JSON object a line; docs/cli.md has them. Exit status as of `run`.)");
  command->callback([&action, file, task, courier] {
    action = [file, task, courier] { return *task ? run_task(*file, *courier) : run(*file); };
  });
}

}  // namespace ktrial::cli
