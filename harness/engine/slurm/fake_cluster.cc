#include "harness/engine/slurm/fake_cluster.h"

#include <algorithm>
#include <array>

namespace ktrial::engine::slurm {
namespace {

double seconds_of(const run::Job& job) {
  return job.spec.duration ? static_cast<double>(job.spec.duration->count()) / 1000 : 1;
}

}  // namespace

FakeCluster::FakeCluster(Options options) : options_(std::move(options)), random_(options_.seed) {
  nodes_.resize(static_cast<std::size_t>(options_.nodes));
  for (Node& node : nodes_) node.free = options_.cpus;
  for (const auto& [node, health] : options_.ill) this->health(node) = health;
}

void FakeCluster::advance(double to) {
  start_what_fits();
  while (!ends_.empty() && ends_.begin()->first <= to) {
    const auto [when, running] = *ends_.begin();
    now_ = std::max(now_, when);
    ends_.erase(ends_.begin());
    over(running);
    start_what_fits();
  }
  now_ = std::max(now_, to);
  while (!forget_.empty() && forget_.front().first <= now_) {
    arrays_.erase(forget_.front().second);
    forget_.pop_front();
  }
}

void FakeCluster::start_what_fits() {
  // In order, but small ones fill what a large one leaves.
  constexpr std::size_t kBackfill = 64;
  int too_large = options_.cpus + 1;
  for (std::size_t at = 0; at < std::min(queue_.size(), kBackfill);) {
    const auto [id, index] = queue_[at];
    const auto known = arrays_.find(id);
    const auto one = known == arrays_.end() ? decltype(known->second.tasks.begin()){}
                                            : known->second.tasks.find(index);
    const bool waits = known != arrays_.end() && one->second.sight.state == Sight::State::waiting;
    if (waits) {
      const int vcpus = known->second.array.ask.vcpus;
      if (vcpus >= too_large || !start(id, known->second, index)) {
        too_large = std::min(too_large, vcpus);
        if (too_large <= smallest_) return;
        ++at;
        continue;
      }
    }
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

bool FakeCluster::start(const std::string& id, Known& known, int index) {
  One& one = known.tasks.at(index);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.free < known.array.ask.vcpus || node.down || known.avoid.contains(name_of(i)))
      continue;
    node.free -= known.array.ask.vcpus;
    one.node = i;
    one.stay = ++stays_;
    one.sight.state = Sight::State::running;
    one.sight.word = "RUNNING";
    one.sight.node = name_of(i);
    Running running{id, index, one.stay};
    double takes = 1;
    const auto folder = shards_.find(known.array.shard);
    File* file = folder == shards_.end() ? nullptr : &folder->second.files.at(index);
    if (file != nullptr && !file->withdrawn && node.health != Health::black_hole) {
      file->told.begun = true;
      file->told.node = name_of(i);
      file->told.run = "run-" + id + "_" + std::to_string(index);
      takes = seconds_of(file->job);
      using Fate = Running::Fate;
      if (node.health == Health::broken) {
        running.fate = Fate::broken;
        takes = 2;
      } else if (node.health == Health::flaky && ++node.turns % 2 == 0) {
        running.fate = Fate::lost;
        takes *= 0.5;
      } else if (std::uniform_real_distribution<>(0, 1)(random_) < options_.bad_luck) {
        running.fate = std::array{Fate::lost, Fate::lost_late, Fate::requeued}[random_() % 3];
      }
    } else {
      running.fate = Running::Fate::lost;
    }
    ends_.emplace(now_ + takes, running);
    return true;
  }
  return false;
}

void FakeCluster::close(Known& known, One& one, const std::string& word) {
  if (one.node) nodes_[*one.node].free += known.array.ask.vcpus;
  one.node.reset();
  one.sight.state = Sight::State::over;
  one.sight.word = word;
  one.stay = 0;
  if (std::ranges::all_of(known.tasks, [](const auto& task) {
        return task.second.sight.state == Sight::State::over;
      }))
    for (const auto& [id, other] : arrays_)
      if (&other == &known) {
        forget_.emplace_back(now_ + options_.forgets_s, id);
        break;
      }
}

void FakeCluster::over(const Running& running) {
  using Fate = Running::Fate;
  const auto known = arrays_.find(running.array);
  if (known == arrays_.end()) return;
  One& one = known->second.tasks.at(running.index);
  if (one.stay != running.stay) return;  // it was ended before
  const auto folder = shards_.find(known->second.array.shard);
  File* file = folder == shards_.end() ? nullptr : &folder->second.files.at(running.index);
  const bool works = file != nullptr && file->told.begun;
  if (works && (running.fate == Fate::well || running.fate == Fate::lost_late) &&
      file->told.trials == 0) {
    ++file->told.trials;
    used_ += seconds_of(file->job) * known->second.array.ask.vcpus;
    if (committed) committed(file->job);
  }
  if (works && (running.fate == Fate::well || running.fate == Fate::broken)) {
    file->told.exit = running.fate == Fate::well ? 0 : 128;
    if (running.fate == Fate::broken)
      file->told.error = Error{ErrorKind::environment, "no QEMU here"};
    folder->second.words.emplace_back(now_ + options_.late_files, running.index);
  }
  if (running.fate == Fate::requeued) {
    nodes_[*one.node].free += known->second.array.ask.vcpus;
    one.node.reset();
    one.stay = 0;
    one.sight.state = Sight::State::waiting;
    one.sight.word = "PENDING";
    queue_.emplace_back(running.array, running.index);
    return;
  }
  const bool well = running.fate == Fate::well;
  close(known->second, one,
        well                           ? "COMPLETED"
        : running.fate == Fate::broken ? "FAILED"
        : random_() % 2 == 0 && works  ? "PREEMPTED"
                                       : "NODE_FAIL");
}

void FakeCluster::end(const std::string& array, int index, const std::string& word) {
  Known& known = arrays_.at(array);
  close(known, known.tasks.at(index), word);
}

void FakeCluster::interrupt(const std::string& array, int index, int exit,
                            std::optional<Error> error) {
  Folder& folder = shards_.at(arrays_.at(array).array.shard);
  folder.files.at(index).told.exit = exit;
  folder.files.at(index).told.error = std::move(error);
  folder.words.emplace_back(now_, index);
}

void FakeCluster::forget(const std::string& array) {
  for (const auto& [index, one] : arrays_.at(array).tasks) accounts[array].push_back(one.sight);
  arrays_.erase(array);
}

void FakeCluster::node_down(int node) {
  nodes_[static_cast<std::size_t>(node)].down = true;
  for (auto& [id, known] : arrays_)
    for (auto& [index, one] : known.tasks)
      if (one.node == static_cast<std::size_t>(node)) close(known, one, "NODE_FAIL");
}

Result<std::string> FakeCluster::submit(const Array& array) {
  if (!answers || refuses) return fail(ErrorKind::environment, "sbatch: no");
  const std::string id = std::to_string(++last_);
  smallest_ = std::min(smallest_, array.ask.vcpus);
  seen.push_back(array);
  if (seen.size() > 100) seen.erase(seen.begin());
  Known known{array, {array.avoid.begin(), array.avoid.end()}, {}};
  for (int i = 0; i < array.tasks; ++i) {
    known.tasks[i].sight = {.index = i, .word = "PENDING"};
    queue_.emplace_back(id, i);
  }
  arrays_.emplace(id, std::move(known));
  return id;
}

Result<std::map<std::string, std::vector<Sight>>> FakeCluster::poll(
    const std::vector<std::string>& arrays) {
  if (!answers) return fail(ErrorKind::environment, "squeue: no answer");
  std::map<std::string, std::vector<Sight>> out;
  for (const std::string& id : arrays)
    if (const auto known = arrays_.find(id); known != arrays_.end())
      for (const auto& [index, one] : known->second.tasks) out[id].push_back(one.sight);
  return out;
}

Status FakeCluster::cancel(const std::vector<std::string>& ids, bool waiting_only) {
  if (!answers) return fail(ErrorKind::environment, "scancel: no answer");
  for (const std::string& id : ids) {
    cancelled.push_back(id);
    const auto at = id.find('_');
    const auto known = arrays_.find(id.substr(0, at));
    if (known == arrays_.end()) continue;
    for (auto& [index, one] : known->second.tasks) {
      if (at != id.npos && std::to_string(index) != id.substr(at + 1)) continue;
      if (one.sight.state == Sight::State::waiting ||
          (one.sight.state == Sight::State::running && !waiting_only))
        close(known->second, one, "CANCELLED");
    }
  }
  return {};
}

Status FakeCluster::avoid(const std::vector<std::string>& arrays,
                          const std::vector<std::string>& nodes) {
  for (const std::string& id : arrays)
    if (const auto known = arrays_.find(id); known != arrays_.end())
      known->second.avoid.insert(nodes.begin(), nodes.end());
  return {};
}

Result<std::vector<std::string>> FakeCluster::arrays_of(const Shard& shard) {
  std::vector<std::string> out;
  for (const auto& [id, known] : arrays_)
    if (known.array.shard == shard) out.push_back(id);
  return out;
}

Result<Shard> FakeCluster::put(const std::vector<const run::Job*>& jobs) {
  const Shard name = "s" + std::to_string(++last_);
  Folder& folder = shards_[name];
  for (int i = 0; i < std::ssize(jobs); ++i)
    folder.files[i].job = *jobs[static_cast<std::size_t>(i)];
  return name;
}

Status FakeCluster::submitted(const Shard& shard, const std::string& array) {
  shards_.at(shard).array = array;
  return {};
}

std::vector<int> FakeCluster::ended(const Shard& shard) {
  std::vector<int> out;
  auto& words = shards_.at(shard).words;
  std::erase_if(words, [&](const auto& word) {
    if (word.first > now_) return false;
    out.push_back(word.second);
    return true;
  });
  return out;
}

Told FakeCluster::told(const Task& task) {
  return shards_.at(task.shard).files.at(task.index).told;
}

bool FakeCluster::withdraw(const Task& task) {
  File& file = shards_.at(task.shard).files.at(task.index);
  if (file.told.begun) return false;
  return file.withdrawn = true;
}

void FakeCluster::drop(const Shard& shard) { shards_.erase(shard); }

std::vector<Spool::Left> FakeCluster::left() {
  std::vector<Left> out;
  for (const auto& [name, folder] : shards_) {
    Left& left = out.emplace_back(Left{name, folder.array, {}});
    for (const auto& [index, file] : folder.files)
      if (!file.told.exit && file.told.trials == 0) left.open.emplace_back(index, file.job);
  }
  return out;
}

}  // namespace ktrial::engine::slurm
