#include "workloads/cpuacct/round.h"

#include <atomic>
#include <map>
#include <memory>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/threads.h"
#include "workloads/cpuacct/actors.h"
#include "workloads/cpuacct/invariants.h"

namespace ktrial::cpuacct {
namespace {

using workload::broken;
using workload::now_ns;
using workload::sleep_us;

constexpr char kParent[] = "p";
// hop1 and hop2 share one process.
constexpr const char* kGroups[] = {"spin", "zero", "forks", "vforks", "killed", "hop1", "hop2"};
constexpr int kRestTries = 100;
constexpr std::int64_t kRestPause = 50'000;         // us between readings that are to be equal
constexpr std::int64_t kFrozenPause = 300'000;      // us
constexpr std::uint64_t kNearBurn = 2'000'000'000;  // ns; shorter burns are all sampling error

std::string path_of(const std::string& child) { return std::string(kParent) + "/" + child; }

void must_hold(const std::string& problem, const std::string& group) {
  if (!problem.empty()) broken("group %s: %s", group.c_str(), problem.c_str());
}

// What a wrong kernel would have told.
void falsify(const std::string& plant, const std::string& group, Reading& r) {
  const bool parent = group == kParent;
  if (plant == "sum" && parent) r.v2.usage += 1000, r.v2.user += 1000;
  if (plant == "split" && group == path_of("zero")) r.v2.system += 5;
  if (plant == "percpu" && group == path_of("spin") && r.v1) ++r.v1->percpu[0];
  if (plant == "twins" && group == path_of("zero") && r.v1) r.v1->usage += r.v1->usage / 8;
}

// The readers' thread: every group again and again, no value ever falls.
struct Reader {
  const Hierarchies* groups;
  const Plan* plan;
  std::atomic<bool>* stop;
  std::atomic<std::uint64_t>* readings;
};
void* read_on(void* argument) {
  const Reader& self = *static_cast<Reader*>(argument);
  std::map<std::string, Reading> last;
  for (std::uint64_t count = 0; !*self.stop; ++count) {
    for (std::size_t i = 0; i <= std::size(kGroups) && !*self.stop; ++i) {
      const std::string group = i == 0 ? kParent : path_of(kGroups[i - 1]);
      Reading now = self.groups->read(group);
      if (self.plan->plant == "monotone" && count == 20) now.v2.usage /= 2;
      if (const auto before = last.find(group); before != last.end())
        must_hold(check_monotone(before->second, now), group);
      last[group] = now;
      ++*self.readings;
    }
    sleep_us(2000);
  }
  return nullptr;
}

class Readers {
 public:
  Readers(const Hierarchies& groups, const Plan& plan) : self_{&groups, &plan, &stop_, &readings_} {
    for (std::int64_t i = 0; i < plan.readers; ++i)
      threads_.push_back(workload::start_thread(read_on, &self_));
  }
  ~Readers() {
    stop_ = true;
    for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
  }
  std::uint64_t readings() const { return readings_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> readings_{0};
  Reader self_;
  std::vector<pthread_t> threads_;
};

struct Company {
  Actor spin, zero, forks, vforks, killed, hop;
  Company(std::uint64_t burn)
      : spin(Act::spin, burn),
        zero(Act::zero, burn),
        forks(Act::forks, burn),
        vforks(Act::vforks, burn),
        killed(Act::endless, burn),
        hop(Act::spin, burn) {}
  std::vector<std::pair<Actor*, const char*>> all() {
    return {{&spin, "spin"},     {&zero, "zero"},     {&forks, "forks"},
            {&vforks, "vforks"}, {&killed, "killed"}, {&hop, "hop1"}};
  }
};

// Until all have ended: moves the one that hops, ends the one that is to be killed.
void direct(const Hierarchies& groups, const Plan& plan, Company& company, const Readers& readers,
            workload::Progress& progress, std::uint64_t readings_before) {
  const std::int64_t kill_at = now_ns() + plan.burn_ms * 1'000'000;
  bool killed = false, second = false;
  std::int64_t next_hop = 0;
  for (std::size_t alive = 1; alive > 0;) {
    alive = 0;
    for (const auto& [actor, group] : company.all()) alive += actor->ended() ? 0 : 1;
    if (!killed && now_ns() >= kill_at) company.killed.kill(), killed = true;
    if (now_ns() >= next_hop && !company.hop.ended()) {
      second = !second;
      const std::string group = path_of(second ? "hop2" : "hop1");
      if (!groups.move(company.hop.pid(), group) && !company.hop.ended())
        broken("move: group %s does not know process %d, which runs", group.c_str(),
               company.hop.pid());
      next_hop = now_ns() + plan.hop_ms * 1'000'000;
    }
    progress.tick(readings_before + readers.readings(), 0);
    sleep_us(2000);
  }
}

using Snapshot = std::map<std::string, Reading>;

Snapshot read_all(const Hierarchies& groups) {
  Snapshot out;
  out[kParent] = groups.read(kParent);
  for (const char* name : kGroups) out[path_of(name)] = groups.read(path_of(name));
  return out;
}

// Tasks that were reaped may still be on their way out of a CPU.
Snapshot read_at_rest(const Hierarchies& groups, const Plan& plan) {
  let_cpus_pass(plan.cpus);
  Snapshot before = read_all(groups);
  for (int i = 0; i < kRestTries; ++i) {
    sleep_us(kRestPause);
    Snapshot now = read_all(groups);
    if (now == before) return now;
    before = std::move(now);
  }
  broken("frozen: groups without tasks still change after %d readings", kRestTries);
}

void check_exact(const Plan& plan, const Snapshot& snapshot) {
  std::vector<Reading> children;
  for (const char* name : kGroups) children.push_back(snapshot.at(path_of(name)));
  must_hold(check_sum(snapshot.at(kParent), children), kParent);
  for (const auto& [group, reading] : snapshot) {
    must_hold(check_split(reading, plan.adjusted), group);
    must_hold(check_percpu(reading), group);
  }
}

void doubt(Outcome& outcome, const std::string& group, const std::string& problem) {
  if (!problem.empty()) outcome.doubts.push_back("group " + group + ": " + problem);
}

void check_near(const Plan& plan, const Snapshot& snapshot, const Company& company,
                Outcome& outcome) {
  auto at = [&](const char* name) { return snapshot.at(path_of(name)); };
  const std::uint64_t lie = plan.plant == "rusage" ? 500'000'000 : 0;
  auto rusage = [&](const Reading& reading, const Actor& actor, bool many) {
    return check_rusage(reading, actor.least_ns() + lie, actor.most_ns() + lie, many);
  };
  doubt(outcome, "spin", rusage(at("spin"), company.spin, false));
  doubt(outcome, "zero", rusage(at("zero"), company.zero, false));
  doubt(outcome, "killed", rusage(at("killed"), company.killed, false));
  doubt(outcome, "forks", rusage(at("forks"), company.forks, true));
  doubt(outcome, "vforks", rusage(at("vforks"), company.vforks, true));
  Reading hop = at("hop1");
  const Reading hop2 = at("hop2");
  hop.v2.usage += hop2.v2.usage;
  if (hop.v1 && hop2.v1) hop.v1->usage += hop2.v1->usage;
  doubt(outcome, "hop1+hop2", rusage(hop, company.hop, false));
  doubt(outcome, "hop1+hop2", check_twins(hop));
  for (const char* name : {"spin", "zero", "forks", "vforks", "killed"})
    doubt(outcome, name, check_twins(at(name)));
  std::vector<Reading> children;
  for (const char* name : kGroups) children.push_back(at(name));
  const Reading& parent = snapshot.at(kParent);
  if (at("spin").v2.usage * 1000 < kNearBurn || at("zero").v2.usage * 1000 < kNearBurn) return;
  outcome.levels_compared = levels_can_be_compared(parent, children);
  doubt(outcome, kParent, check_levels(parent, children));
}

// Without tasks, then without children: the group keeps its time.
void check_stands_still(const Hierarchies& groups, const Plan& plan, const Reading& first) {
  sleep_us(kFrozenPause);
  Reading second = groups.read(kParent);
  if (plan.plant == "frozen") ++second.v2.usage;
  for (const char* name : kGroups) {
    if (groups.has_tasks(path_of(name))) broken("group %s: tasks that have ended are in it", name);
    groups.remove(path_of(name));
  }
  sleep_us(kFrozenPause);
  Reading third = groups.read(kParent);
  if (plan.plant == "frozen") third.v2.usage += 2;
  must_hold(check_frozen(first, second, third), kParent);
}

struct Clocks {
  std::uint64_t root = 0, proc_stat = 0;
  std::int64_t wall = now_ns();
  explicit Clocks(const Hierarchies& groups)
      : root(groups.has_v1() ? groups.root_usage() : 0), proc_stat(read_proc_stat()) {}
};

}  // namespace

Outcome run_round(const Hierarchies& groups, const Plan& plan, workload::Progress& progress,
                  std::uint64_t readings_before) {
  Outcome outcome;
  groups.make(kParent);
  for (const char* name : kGroups) groups.make(path_of(name));
  Company company(static_cast<std::uint64_t>(plan.burn_ms) * 1'000'000);  // before we have threads
  const Clocks begin(groups);
  {
    Readers readers(groups, plan);
    for (const auto& [actor, group] : company.all())
      if (!groups.move(actor->pid(), path_of(group)))
        broken("move: group %s does not know process %d, which sleeps", group, actor->pid());
    for (const auto& [actor, group] : company.all()) actor->start();
    direct(groups, plan, company, readers, progress, readings_before);
    outcome.readings = readers.readings();
  }
  const Clocks end(groups);
  Snapshot snapshot = read_at_rest(groups, plan);
  const Reading at_rest = snapshot.at(kParent);
  for (auto& [group, reading] : snapshot) falsify(plan.plant, group, reading);
  if (plan.plant != "twins") check_exact(plan, snapshot);
  check_near(plan, snapshot, company, outcome);
  const auto wall = static_cast<std::uint64_t>(end.wall - begin.wall);
  if (groups.has_v1())
    doubt(outcome, "/",
          check_machine({(end.root - begin.root) * (plan.plant == "machine" ? 9 : 1),
                         end.proc_stat - begin.proc_stat, wall, plan.cpus.size()}));
  check_stands_still(groups, plan, at_rest);
  groups.remove(kParent);
  progress.report(readings_before + outcome.readings, 0);
  return outcome;
}

}  // namespace ktrial::cpuacct
