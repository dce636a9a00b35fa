#include "results/store/store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <random>

#include "harness/base/file.h"
#include "harness/base/home.h"
#include "results/store/advice.h"
#include "results/store/index.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"
#include "results/store/owner.h"

namespace ktrial::results {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kUnborn = ".new.";  // a run's folder until its run.json is in it
constexpr std::size_t kMaxJson = 256u << 20;   // bytes

std::string new_id(TimePoint now) {
  std::string t = to_text(now);  // 2026-03-01T12:34:56.789Z
  std::string id = t.substr(0, 4) + t.substr(5, 2) + t.substr(8, 2) + "-" + t.substr(11, 2) +
                   t.substr(14, 2) + t.substr(17, 2) + "." + t.substr(20, 3) + "-";
  std::random_device random;
  for (int i = 0; i < 4; ++i) id += "0123456789abcdef"[random() & 15];
  return id;
}

std::string trial_name(int index) {
  std::string digits = std::to_string(index);
  return std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

Status make_dirs(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return advised(fail_errno("create " + path.string(), error.value()));
  return {};
}

Status write_json(const fs::path& path, const Json& json) {
  return advised(write_file_atomically(path, dump(json)));
}

Result<std::string> read_json_file(const fs::path& path) {
  return advised(read_file(path, kMaxJson));
}

RunSummary summary_of(const RunRecord& run) {
  const Verdict& verdict = run.verdict;
  RunSummary out{
      run.id,          run.state,         verdict.outcome,        verdict.title, verdict.signature,
      run.spec.kernel, run.spec.workload, to_text(run.started_at)};
  for (const TrialRecord& trial : run.trials)
    ++(trial.verdict.outcome == Outcome::pass   ? out.passed
       : trial.verdict.outcome == Outcome::fail ? out.failed
                                                : out.inconclusive);
  return out;
}

void add_up(RunRecord& run) {
  run.verdict = overall(run.trials, run.spec.until_fail ? 0 : run.spec.repeat);
}

// run.json holds no trials: each is in its own folder, written once.
Status write_run(const RunRecord& run, const fs::path& directory) {
  Json json = document(to_json(run));
  for (const char* key : {"trials", "directory", "unreadable"}) json.erase(key);
  if (run.state == RunState::running) json["owner"] = to_json(this_process());
  return write_json(directory / "run.json", json);
}

// Folders of runs that were killed before they were born.
void remove_unborn(const fs::path& runs) {
  std::error_code error;
  for (fs::directory_iterator it(runs, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(kUnborn)) continue;
    auto text = read_json_file(it->path() / "run.json");
    auto json = text ? parse_json(*text) : std::nullopt;
    const bool dead = json && json->is_object() && json->contains("owner") &&
                      !may_be_alive(owner_from_json((*json)["owner"]));
    // Without a record nobody is known; making one takes no hour.
    std::error_code no_time;
    const auto written = fs::last_write_time(it->path(), no_time);
    const bool old = !no_time && fs::file_time_type::clock::now() - written > std::chrono::hours(1);
    std::error_code ignored;
    if (dead || old) fs::remove_all(it->path(), ignored);
  }
}

// What was committed; a verdict.json that is there and makes no sense goes to `unreadable`.
std::vector<TrialRecord> load_trials(const fs::path& directory,
                                     std::vector<std::string>& unreadable) {
  std::vector<TrialRecord> out;
  std::error_code error;
  for (fs::directory_iterator it(directory / "trials", error), end; !error && it != end;
       it.increment(error)) {
    const fs::path file = it->path() / "verdict.json";
    auto text = read_json_file(file);
    if (!text && text.error().errno_value == ENOENT) continue;  // not committed
    auto json = text ? parse_json(*text) : std::nullopt;
    auto trial = json ? trial_from_json(*json) : std::nullopt;
    if (!trial) {
      unreadable.push_back(text ? file.string() + " is not a trial's record"
                                : text.error().message);
      continue;
    }
    trial->artifacts = it->path();
    out.push_back(std::move(*trial));
  }
  std::ranges::sort(out, {}, &TrialRecord::index);
  std::ranges::sort(unreadable);
  return out;
}

struct Reading {
  RunRecord run;
  bool abandoned = false;  // recorded as running, and its owner is gone
};

Result<Reading> read_run(const fs::path& directory) {
  const fs::path file = directory / "run.json";
  std::string text = KTRIAL_TRY(read_json_file(file));
  auto json = parse_json(text);
  auto run = json ? run_from_json(*json) : std::nullopt;
  if (!run)
    return fail(ErrorKind::environment, file.string() + " is not a run's record",
                "the file was changed by someone else; remove the folder " + directory.string() +
                    " to forget the run");
  std::error_code ignored;
  run->directory = fs::absolute(directory, ignored).lexically_normal();
  if (!run->directory.has_filename()) run->directory = run->directory.parent_path();
  run->trials = load_trials(run->directory, run->unreadable);
  if (run->state != RunState::running) return Reading{std::move(*run)};
  add_up(*run);
  const auto owner = json->find("owner");
  const bool abandoned = owner == json->end() || !may_be_alive(owner_from_json(*owner));
  return Reading{std::move(*run), abandoned};
}

}  // namespace

Result<RunRecord> load_run(const fs::path& directory) {
  Reading reading = KTRIAL_TRY(read_run(directory));
  if (!reading.abandoned) return std::move(reading.run);
  // Its owner may have ended it, and then itself, while we read: now nobody writes any more.
  reading = KTRIAL_TRY(read_run(directory));
  if (reading.run.state == RunState::running) reading.run.state = RunState::interrupted;
  return std::move(reading.run);
}

RunDir::RunDir(RunRecord record, std::shared_ptr<Index> index)
    : record_(std::move(record)), index_(std::move(index)) {}

RunDir::RunDir(RunDir&& other) noexcept
    : record_(std::move(other.record_)),
      index_(std::move(other.index_)),
      open_(std::exchange(other.open_, false)) {}

RunDir::~RunDir() {
  if (open_) (void)finish(RunState::interrupted);
}

Result<fs::path> RunDir::begin_trial(int index) {
  if (index < 0) return usage_error("a trial's index is not negative");
  fs::path path = record_.directory / "trials" / trial_name(index);
  KTRIAL_TRY(make_dirs(path));
  return path;
}

Status RunDir::add_trial(TrialRecord trial) {
  trial.artifacts = KTRIAL_TRY(begin_trial(trial.index));
  Verdict& verdict = trial.verdict;
  if (verdict.outcome == Outcome::fail && verdict.signature.empty())
    verdict.signature = make_signature(verdict.kind.name(), verdict.title, verdict.culprit);
  Json json = document(to_json(trial));
  json.erase("artifacts");  // the folder may move
  KTRIAL_TRY(write_json(trial.artifacts / "verdict.json", json));
  std::erase_if(record_.trials, [&](const TrialRecord& t) { return t.index == trial.index; });
  record_.trials.push_back(std::move(trial));
  if (index_) (void)index_->put({summary_of(record_)});
  return {};
}

Status RunDir::finish(RunState state) {
  RunRecord done = record_;
  add_up(done);
  done.state = state;
  done.finished_at = std::chrono::system_clock::now();
  KTRIAL_TRY(write_run(done, done.directory));
  record_ = std::move(done);
  open_ = false;
  if (index_) (void)index_->put({summary_of(record_)});
  return {};
}

void RunDir::discard() {
  open_ = false;
  std::error_code ignored;
  fs::remove_all(record_.directory, ignored);
  if (index_) (void)index_->remove({record_.id});
}

fs::path Store::default_dir() {
  // The XDG rule: a relative value is no value.
  if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/')
    return fs::path(state) / "ktrial";
  const fs::path home = home_dir();
  return (home.empty() ? "/" : home) / ".local/state/ktrial";
}

Store::Store(fs::path dir, std::shared_ptr<Index> index)
    : dir_(std::move(dir)), index_(std::move(index)) {}

Result<Store> Store::open(fs::path dir, bool indexed) {
  std::error_code error;
  dir = fs::absolute(dir, error).lexically_normal();
  KTRIAL_TRY(make_dirs(dir / "runs"));
  return Store(dir, indexed ? Index::open(dir / "index.db") : nullptr);
}

Result<RunDir> Store::begin_run(SpecSummary spec, std::vector<std::string> argv,
                                Membership part_of) {
  RunRecord run;
  run.recorded_by = ktrial_version();
  run.part_of = std::move(part_of);
  run.spec = std::move(spec);
  run.argv = std::move(argv);
  std::error_code error;
  run.working_dir = fs::current_path(error);
  run.started_at = std::chrono::system_clock::now();
  remove_unborn(dir_ / "runs");
  for (;;) {
    run.id = new_id(run.started_at);
    run.directory = dir_ / "runs" / run.id;
    if (!fs::exists(run.directory, error)) break;
  }
  const fs::path unborn = dir_ / "runs" / (std::string(kUnborn) + run.id);
  Status made = [&]() -> Status {
    KTRIAL_TRY(make_dirs(unborn / "trials"));
    KTRIAL_TRY(write_run(run, unborn));
    if (::rename(unborn.c_str(), run.directory.c_str()) != 0)
      return advised(fail_errno("create " + run.directory.string(), errno));
    return {};
  }();
  if (!made) {
    fs::remove_all(unborn, error);
    return std::unexpected(made.error());
  }
  if (index_) (void)index_->put({summary_of(run)});
  return RunDir(std::move(run), index_);
}

std::vector<std::string> Store::ids() const {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator it(dir_ / "runs", error), end; !error && it != end;
       it.increment(error)) {
    std::string id = it->path().filename().string();
    if (!id.starts_with('.')) out.push_back(std::move(id));
  }
  std::ranges::sort(out);
  return out;
}

Result<fs::path> Store::find(std::string_view ref) const {
  const std::vector<std::string> all = ids();
  const fs::path runs = dir_ / "runs";
  std::error_code error;
  if (ref == "last") {
    if (all.empty())
      return usage_error("there is no run in " + dir_.string() + " yet",
                         "start one with `ktrial run`, or name the folder with --results DIR");
    return runs / all.back();
  }
  if (!ref.empty() && ref.find('/') == std::string_view::npos) {
    std::vector<std::string> matches;
    for (const std::string& id : all) {
      if (id == ref) return runs / id;
      if (id.starts_with(ref)) matches.push_back(id);
    }
    if (matches.size() == 1) return runs / matches.front();
    if (matches.size() > 1)
      return usage_error("'" + std::string(ref) + "' is the beginning of " +
                             std::to_string(matches.size()) + " runs, e.g. " + matches.front() +
                             " and " + matches.back(),
                         "give more of the id");
  }
  if (fs::exists(fs::path(ref) / "run.json", error)) return fs::path(ref);
  return usage_error("no run '" + std::string(ref) + "' in " + dir_.string(),
                     "give an id, the beginning of one, a run's folder, or `last`");
}

Result<RunRecord> Store::load(std::string_view ref) const {
  return load_run(KTRIAL_TRY(find(ref)));
}

std::vector<RunRecord> Store::of_campaign(std::string_view campaign, TimePoint since) const {
  // Ids sort by their begin; a clock that was set back by less than a day is no matter.
  const std::string first = new_id(since - std::chrono::hours(24)).substr(0, 15);
  std::vector<RunRecord> out;
  for (const std::string& id : ids()) {
    if (id < first) continue;
    const fs::path directory = dir_ / "runs" / id;
    const auto text = read_json_file(directory / "run.json");
    if (!text || text->find(campaign) == std::string::npos) continue;
    auto run = load_run(directory);
    if (run && run->part_of.campaign == campaign) out.push_back(*std::move(run));
  }
  return out;
}

Result<RunRecord> Store::declare_dead(std::string_view ref) const {
  const fs::path directory = KTRIAL_TRY(find(ref));
  const auto json = parse_json(KTRIAL_TRY(read_json_file(directory / "run.json")));
  RunRecord run = KTRIAL_TRY(load_run(directory));
  const bool recorded_as_running =
      json && text_of(*json, "state") == name(RunState::running) && json->contains("owner");
  if (!recorded_as_running)
    return usage_error("run " + run.id + " is over: it is recorded as " +
                       std::string(name(run.state)));
  const Owner owner = owner_from_json((*json)["owner"]);
  const bool here = owner.host == this_process().host;
  if (here && may_be_alive(owner))
    return usage_error("run " + run.id + " goes on: its process " + std::to_string(owner.pid) +
                           " is alive on this host",
                       "end that process; the run is then interrupted by itself");
  run.state = RunState::interrupted;
  run.finished_at = std::chrono::system_clock::now();
  run.facts.emplace_back("declared_dead", "its process " + std::to_string(owner.pid) + " on " +
                                              owner.host + " is gone");
  KTRIAL_TRY(write_run(run, run.directory));
  if (index_) (void)index_->put({summary_of(run)});
  return run;
}

Result<std::vector<RunSummary>> Store::list(std::size_t limit) const {
  const std::vector<std::string> all = ids();
  // From the files: what the index does not know or knows as unfinished.
  auto read_into = [&](Index& index) -> bool {
    auto known = index.states();
    if (!known) return false;
    std::vector<RunSummary> fresh;
    for (const std::string& id : all) {
      auto it = known->find(id);
      const bool final = it != known->end() && it->second != RunState::running;
      if (it != known->end()) known->erase(it);
      if (final) continue;
      if (auto run = load_run(dir_ / "runs" / id)) fresh.push_back(summary_of(*run));
    }
    std::vector<std::string> gone;
    for (const auto& entry : *known) gone.push_back(entry.first);
    return index.put(fresh) && index.remove(gone);
  };
  if (index_) {
    if (!read_into(*index_)) (void)(index_->recreate() && read_into(*index_));
    if (auto listed = index_->list(limit)) return *listed;
  }
  std::vector<RunSummary> out;
  for (auto id = all.rbegin(); id != all.rend() && (limit == 0 || out.size() < limit); ++id)
    if (auto run = load_run(dir_ / "runs" / *id)) out.push_back(summary_of(*run));
  return out;
}

}  // namespace ktrial::results
