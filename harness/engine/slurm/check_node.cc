// `ktrial doctor` on a node, through Slurm's queue.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <thread>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/installation.h"
#include "harness/base/stop_on_signal.h"
#include "harness/base/text.h"
#include "harness/engine/slurm/commands.h"
#include "harness/engine/slurm/courier.h"
#include "harness/engine/slurm/folder.h"
#include "harness/engine/slurm/slurm_engine.h"
#include "harness/spec/timeouts.h"

namespace ktrial::engine {
namespace fs = std::filesystem;
namespace {

// Its folder, which is gone with it.
class CheckFolder {
 public:
  explicit CheckFolder(const fs::path& results)
      : path_(results / "fleet" / fmt::format("doctor-{}", ::getpid())) {}
  CheckFolder(const CheckFolder&) = delete;
  CheckFolder& operator=(const CheckFolder&) = delete;
  ~CheckFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Status make() const {
    std::error_code error;
    fs::create_directories(path_ / "s", error);
    if (error) return fail(ErrorKind::environment, path_.string() + ": " + error.message());
    return {};
  }
  const fs::path& path() const { return path_; }

 private:
  const fs::path path_;
};

std::string line_of(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  for (const std::string& word : words) quoted.push_back(shell_quoted(word));
  return fmt::format("{}", fmt::join(quoted, " "));
}

constexpr char kSaid[] = "said";  // the exit status

std::string script_of(const fs::path& shard, const std::string& program,
                      const spec::Courier& courier) {
  if (!courier.used())
    return fmt::format("#!/bin/sh\n{} doctor\necho $? >{}\n", shell_quoted(program),
                       shell_quoted((shard / kSaid).string()));
  // Both ways are tried: what came is sent back with what doctor says.
  const fs::path script = shard / slurm::names::kScript, out = slurm::names::out(shard, 0);
  const fs::path here = fs::path(courier.scratch) / shard.parent_path().filename();
  const auto send = [&](const fs::path& file) {
    return line_of(slurm::carried(courier.send, here / file.filename(), file));
  };
  return fmt::format(
      "#!/bin/sh\nmkdir -p {0} && cd {0} || exit\n{{ {1} && {2} doctor; }} >{3} 2>&1\n"
      "echo $? >{4}\n{5} && {6}\nsent=$?\ncd / && rm -r {0}\n[ $sent != 0 ] || rm -f {7}\n",
      shell_quoted(here.string()),
      line_of(slurm::carried(courier.fetch, script, here / script.filename())),
      shell_quoted(program), out.filename().string(), kSaid, send(out), send(shard / kSaid),
      shell_quoted(courier.scratch) + "/ktrial-\"$SLURM_ARRAY_JOB_ID\"_0.out");
}

Result<slurm::Sight> until_over(slurm::Cluster& cluster, const std::string& array,
                                const std::function<void(const std::string&)>& tell,
                                double every_s) {
  const StopOnSignal signals;
  const auto until =
      std::chrono::steady_clock::now() + spec::host_wait(spec::HostWait::scheduler_away);
  std::string last;
  while (std::chrono::steady_clock::now() < until && !signals.token().stop_requested()) {
    const auto seen = KTRIAL_TRY(cluster.poll({array}));
    const auto found = seen.find(array);
    if (found != seen.end() && !found->second.empty()) {
      const slurm::Sight& sight = found->second.front();
      if (sight.state == slurm::Sight::State::over) return sight;
      if (sight.word != last) tell("task " + array + ": " + (last = sight.word));
    }
    for (double slept = 0; slept < every_s && !signals.token().stop_requested(); slept += 0.1)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  (void)cluster.cancel({array}, false);
  if (signals.token().stop_requested()) return fail(ErrorKind::interrupted, "interrupted");
  return fail(ErrorKind::environment, "task " + array + " still waits: " + last,
              "see `squeue --long`; is the partition right, and are its nodes up?");
}

}  // namespace

Result<NodeCheck> check_node(const spec::Slurm& config, const fs::path& results,
                             const std::function<void(const std::string&)>& tell) {
  const CheckFolder folder(results);
  KTRIAL_TRY(folder.make());
  const fs::path shard = folder.path() / "s";
  std::string program = config.program;
  if (program.empty()) program = this_program().value_or("").string();
  KTRIAL_TRY(write_file_atomically(shard / slurm::names::kScript,
                                   script_of(shard, program, config.courier)));
  const auto cluster =
      slurm::slurm_cluster(config, "ktrial-" + folder.path().filename().string(), folder.path());
  run::Job job;
  slurm::Ask ask = slurm::ask_of(job, config);
  ask.vcpus = 1;
  const auto array = KTRIAL_TRY(cluster->submit({"s", 1, ask}));
  constexpr double kEvery = 1;
  const auto sight = KTRIAL_TRY(until_over(*cluster, array, tell, kEvery));
  const auto status = to_number<int>(trimmed(read_file(shard / kSaid).value_or("")));
  NodeCheck out{sight.node, read_file(slurm::names::out(shard, 0)).value_or(""),
                status.value_or(-1)};
  if (!status && out.said.empty())
    return fail(ErrorKind::environment,
                fmt::format("a task on node {} ended ({}) and left nothing in {}", sight.node,
                            sight.word, shard.string()),
                config.courier.used()
                    ? fmt::format("see ktrial-{}_0.out in {} there; slurm.fetch and slurm.send of "
                                  "the fleet file carry files",
                                  array, config.courier.scratch)
                    : "the results folder must be one that all nodes see at the same path: "
                      "--results; where there is none, see \"Without a shared folder\" of "
                      "docs/fleet.md");
  return out;
}

}  // namespace ktrial::engine
