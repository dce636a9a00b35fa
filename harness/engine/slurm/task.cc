#include "harness/engine/slurm/task.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/engine/slurm/folder.h"
#include "harness/run/event_writer.h"
#include "harness/spec/timeouts.h"

namespace ktrial::engine::slurm {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostOutput = 8u << 20;  // bytes of the guest's program, that are told

std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Both by the file server's clock.
bool somebody_waits(const fs::path& fleet, int fresh, std::chrono::milliseconds lease) {
  struct stat alive{}, now{};
  if (::stat((fleet / names::kAlive).c_str(), &alive) != 0 || ::fstat(fresh, &now) != 0)
    return false;
  return now.st_mtime - alive.st_mtime <=
         std::chrono::duration_cast<std::chrono::seconds>(lease).count();
}

// The folder may be out of reach for a while: what was done is not to be lost for that.
Status leave(const TaskPlace& place, const fs::path& shard, int index, LastWord word) {
  word.node = place.node;
  const auto until = std::chrono::steady_clock::now() + place.last_word;
  for (;;) {
    const Status written = write_file_atomically(names::end(shard, index), to_json(word));
    if (written || std::chrono::steady_clock::now() >= until) return written;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

// Passes on what is told, but not all that a guest prints.
class Bounded {
 public:
  explicit Bounded(int fd) : writer_(fd) {}
  void tell(const run::Event& event) {
    last_s_ = event.at_s;
    if (const auto* output = std::get_if<run::Output>(&event.what)) {
      if (output_ > kMostOutput) return;
      output_ += output->bytes.size();
      if (output_ > kMostOutput)
        return writer_.tell({event.at_s, event.trial,
                             run::Step{"the rest of the output is in the trial's folder only"}});
    }
    writer_.tell(event);
  }
  Status end(run::Ended ended) {
    writer_.tell({last_s_, std::nullopt, std::move(ended)});
    return writer_.finish();
  }

 private:
  run::EventWriter writer_;
  std::size_t output_ = 0;
  double last_s_ = 0;
};

}  // namespace

TaskPlace place_of(const fs::path& job) {
  std::error_code error;
  std::string node = text_of("SLURMD_NODENAME");
  if (node.empty()) node = text_of("SLURM_JOB_NODELIST");
  return {.job = fs::absolute(job, error),
          .attempt = to_number<int>(text_of("SLURM_RESTART_COUNT")).value_or(0),
          .node = node,
          .lease = spec::host_wait(spec::HostWait::task_lease),
          .last_word = spec::host_wait(spec::HostWait::shared_file)};
}

Status run_task(const TaskPlace& place, const Work& work) {
  const fs::path shard = place.job.parent_path();
  const auto number = to_number<int>(place.job.stem().string());
  if (!number)
    return usage_error(place.job.string() +
                       " is no task's job: they are called 0.json, 1.json, ...");
  const int index = *number;
  const Fd events = KTRIAL_TRY(
      open_file(names::events(shard, index, place.attempt), O_WRONLY | O_CREAT | O_TRUNC));
  if (place.attempt == 0 && !somebody_waits(shard.parent_path(), events.get(), place.lease))
    return leave(place, shard, index, {.abandoned = true});
  std::error_code error;
  fs::rename(names::job(shard, index), names::taken(shard, index), error);
  // Withdrawn; or it is put back, and has it from before.
  if (error && !fs::exists(names::taken(shard, index), error)) return {};
  if (place.attempt > 0 && told_in(shard, index).trials > 0)
    return leave(place, shard, index, {.exit = 130});
  Bounded told(events.get());
  run::Ended ended =
      work(names::taken(shard, index), [&](const run::Event& event) { told.tell(event); });
  const int code = ended.exit;
  (void)told.end(std::move(ended));
  return leave(place, shard, index, {.exit = code});
}

}  // namespace ktrial::engine::slurm
