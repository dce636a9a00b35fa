#include "harness/engine/slurm/task.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <thread>

#include "harness/base/file.h"
#include "harness/base/janitor.h"
#include "harness/base/text.h"
#include "harness/engine/slurm/courier.h"
#include "harness/engine/slurm/folder.h"
#include "harness/kernel/reference.h"
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
Status keep_trying(const TaskPlace& place, const std::function<Status()>& attempt) {
  const auto until = std::chrono::steady_clock::now() + place.last_word;
  for (;;) {
    Status done = attempt();
    if (done || std::chrono::steady_clock::now() >= until) return done;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

Status leave(const TaskPlace& place, const fs::path& shard, int index, LastWord word) {
  word.node = place.node;
  return keep_trying(
      place, [&] { return write_file_atomically(names::end(shard, index), to_json(word)); });
}

Result<int> index_of(const TaskPlace& place) {
  if (const auto number = to_number<int>(place.job.stem().string())) return *number;
  return usage_error(place.job.string() + " is no task's job: they are called 0.json, 1.json, ...");
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
  const int index = KTRIAL_TRY(index_of(place));
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

namespace {

// A node's part of a fleet's folder, by a courier. Gone with this, and when we are killed.
class Outpost {
 public:
  static Result<Outpost> open(const TaskPlace& place, const spec::Courier& courier, int index) {
    Outpost out(place, courier, index);
    out.janitor_.emplace(KTRIAL_TRY(Janitor::start()));
    std::string pattern = (fs::path(courier.scratch) / "ktrial-task.XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return fail_errno("make " + pattern, errno);
    out.here_ = pattern;
    out.janitor_->watch(out.here_);
    return out;
  }
  Outpost(Outpost&& other) noexcept
      : place_(other.place_),
        courier_(other.courier_),
        index_(other.index_),
        janitor_(std::move(other.janitor_)),
        here_(std::exchange(other.here_, {})) {}
  Outpost& operator=(Outpost&&) = delete;
  ~Outpost() {
    if (here_.empty()) return;
    std::error_code error;
    fs::remove_all(here_, error);
    janitor_->forget(here_);
  }

  const fs::path& here() const { return here_; }
  Status fetch(const fs::path& file) const {
    return carry(courier_.fetch, file, here_ / file.filename());
  }
  Status send(const fs::path& file) const {
    return keep_trying(place_, [&] {
      return carry(courier_.send, file, place_.job.parent_path() / file.filename());
    });
  }
  Status end(LastWord word) const {
    word.node = place_.node;
    KTRIAL_TRY(write_file_atomically(names::end(here_, index_), to_json(word)));
    KTRIAL_TRY(send(names::end(here_, index_)));
    remove_output();
    return {};
  }
  bool somebody_waits() const {
    const auto then =
        to_number<std::int64_t>(trimmed(read_file(here_ / names::kAlive).value_or("")));
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    return then &&
           now - *then <= std::chrono::duration_cast<std::chrono::seconds>(place_.lease).count();
  }
  // What went to stderr, which is for tasks that did not leave a last word.
  void remove_output() const {
    std::error_code error;
    const fs::path output = fs::read_symlink("/proc/self/fd/2", error);
    if (output.parent_path() == fs::path(courier_.scratch)) fs::remove(output, error);
  }
  // The job, with what it names at hand here. None: it was withdrawn.
  Result<std::optional<run::Job>> take() const;

 private:
  Outpost(const TaskPlace& place, const spec::Courier& courier, int index)
      : place_(place), courier_(courier), index_(index) {}
  // A file of the job's that this node does not have comes from where the job does.
  Result<fs::path> at_hand(const fs::path& file, const fs::path& from) const {
    std::error_code error;
    const fs::path there = from / file;
    if (fs::exists(there, error)) return there;
    KTRIAL_TRY(fetch(there));
    return here_ / file.filename();
  }

  const TaskPlace& place_;
  const spec::Courier& courier_;
  const int index_;
  std::optional<Janitor> janitor_;
  fs::path here_;
};

Result<std::optional<run::Job>> Outpost::take() const {
  if (!fetch(place_.job)) return std::nullopt;
  const fs::path file = here_ / place_.job.filename(), taken = names::taken(here_, index_);
  std::error_code error;
  KTRIAL_TRY(replace_with_copy(file, taken));
  KTRIAL_TRY(send(taken));
  // Who withdraws moves the job away, and then looks whether it was taken: one of the two sees the
  // other.
  if (!fetch(place_.job)) return std::nullopt;
  run::Job job = KTRIAL_TRY(run::load_job(file));
  job.results = here_ / "store";
  const fs::path from = job.working_dir;
  if (!from.empty() && !fs::is_directory(from, error)) job.working_dir = here_;
  const auto kernel = KTRIAL_TRY(kernel::parse_reference(job.spec.kernel));
  if (const auto* image = std::get_if<kernel::ImageReference>(&kernel))
    job.spec.kernel = KTRIAL_TRY(at_hand(image->path, from)).string();
  if (job.initramfs) job.initramfs = KTRIAL_TRY(at_hand(*job.initramfs, from));
  return job;
}

}  // namespace

Status run_far_task(const TaskPlace& place, const spec::Courier& courier, const Work& work) {
  const int index = KTRIAL_TRY(index_of(place));
  const Outpost post = KTRIAL_TRY(Outpost::open(place, courier, index));
  KTRIAL_TRY(post.fetch(place.job.parent_path().parent_path() / names::kAlive));
  if (place.attempt == 0 && !post.somebody_waits()) return post.end({.abandoned = true});
  const auto job = KTRIAL_TRY(post.take());
  if (!job) {  // withdrawn
    post.remove_output();
    return {};
  }
  const fs::path file = post.here() / "job.json";
  KTRIAL_TRY(write_file_atomically(file, run::to_json(*job)));
  const fs::path told_in = names::events(post.here(), index, place.attempt);
  const Fd events = KTRIAL_TRY(open_file(told_in, O_WRONLY | O_CREAT | O_TRUNC));
  Bounded told(events.get());
  run::Ended ended = work(file, [&](const run::Event& event) { told.tell(event); });
  const int code = ended.exit;
  KTRIAL_TRY(told.end(std::move(ended)));
  const fs::path package = names::package(post.here(), index);
  KTRIAL_TRY(pack(job->results, told_in, package));
  KTRIAL_TRY(post.send(package));
  return post.end({.exit = code});
}

}  // namespace ktrial::engine::slurm
