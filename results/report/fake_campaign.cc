#include "results/report/fake_campaign.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace ktrial::results {
namespace {

const char* const kKernels[] = {"deb:linux-image-6.18.15+deb13-cloud-amd64",
                                "deb:linux-binary-6.19.6+deb13-cloud-amd64",
                                "deb:linux-binary-6.19.14+deb13-cloud-amd64",
                                "git:net-next",
                                "git:mm",
                                "git:tip",
                                "git:rcu",
                                "git:bpf-next",
                                "git:mainline",
                                "git:stable"};
const char* const kWorkloads[] = {"fork-storm", "mmcid-vfork", "futex-storm", "io-mix", "smoke"};
const char* const kCpus[] = {"1", "2", "4", "8"};

struct Planted {
  const char *signature, *title, *culprit;
  Kind kind;
  Standing standing;
  const char* common;
};
const Planted kPlanted[] = {
    {"soft_lockup:mm_get_cid", "BUG: soft lockup in mm_get_cid", "mm_get_cid", Kind::soft_lockup,
     Standing::known, "only kernel=deb:linux-binary-6.19.6+deb13-cloud-amd64 (p=0.0004)"},
    {"kasan:futex_wake", "KASAN: slab-use-after-free Read in futex_wake", "futex_wake", Kind::kasan,
     Standing::fresh, "only cpus>=4 (p=0.008)"},
    {"warning:tcp_recvmsg", "WARNING in tcp_recvmsg", "tcp_recvmsg", Kind::warning, Standing::worse,
     ""},
    {"hung_task:io_wq", "INFO: task hung in io_wq_worker", "io_wq_worker", Kind::hung_task,
     Standing::flaky, ""}};

// An interval of some kind: reports show it, and know nothing of how it came about.
RateInterval interval(int k, int n) {
  if (n == 0) return {};
  const double p = double(k) / n, z = 1.96, d = 1 + z * z / n;
  const double mid = (p + z * z / (2 * n)) / d;
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4.0 * n * n)) / d;
  return {k == 0 ? 0 : std::max(0.0, mid - half), k == n ? 1 : std::min(1.0, mid + half)};
}

TimePoint at(double seconds) {
  return TimePoint(std::chrono::milliseconds(1795916400000 + std::llround(1000 * seconds)));
}

std::string run_id(std::size_t cell) {
  std::string number = std::to_string(cell);
  return "20261129-0140" + std::string(2 - std::min<std::size_t>(2, number.size()), '0') + number +
         ".000-ab12";
}

// The rate at which signature `s` fails in a cell.
double rate(std::size_t s, std::size_t kernel, std::size_t workload, std::size_t cpus) {
  if (s == 0) return kernel == 1 && workload == 1 ? (cpus >= 1 ? 0.3 : 0.1) : 0;
  if (s == 1) return kernel == 2 && cpus >= 1 ? 0.06 : 0;
  if (s == 2) return workload == 0 && kernel == 0 ? 0.1 : 0;
  return (kernel + workload + cpus) % 5 == 4 ? 0.03 : 0;
}

void fill(CampaignRecord& out, std::size_t number, std::size_t kernel, std::size_t workload,
          std::size_t cpus, int trials, std::mt19937_64& random) {
  const auto chance = [&] { return double(random() >> 11) / double(1ull << 53); };
  CampaignCell cell;
  cell.axes = {
      {"kernel", kKernels[kernel]}, {"workload", kWorkloads[workload]}, {"cpus", kCpus[cpus]}};
  double now = 37.0 * double(number);
  for (int i = 0; i < trials; ++i) {
    CellTrial one{.run = run_id(number), .index = i, .started_at = at(now)};
    one.boot_s = 2.2 + chance() + (kernel == 2 ? 0.8 : 0);
    one.duration_s = one.boot_s + 5 + 2 * chance();
    one.outcome = Outcome::pass;
    for (std::size_t s = 0; s < std::size(kPlanted); ++s)
      if (one.outcome == Outcome::pass && chance() < rate(s, kernel, workload, cpus)) {
        one.outcome = Outcome::fail;
        one.signature = s;
        one.duration_s += 20;
        CampaignSignature& signature = out.signatures[s];
        if (signature.count++ == 0) signature.run = one.run, signature.index = i;
        if (signature.cells.empty() || signature.cells.back() != number)
          signature.cells.push_back(number);
      }
    if (one.outcome == Outcome::pass && chance() < 0.01) one.outcome = Outcome::inconclusive;
    cell.pass += one.outcome == Outcome::pass;
    cell.fail += one.outcome == Outcome::fail;
    cell.inconclusive += one.outcome == Outcome::inconclusive;
    now += one.duration_s + 1;
    cell.strip.push_back(one);
  }
  cell.rate = interval(cell.fail, cell.pass + cell.fail);
  cell.standing = cell.fail == 0 ? Standing::clean : Standing::unknown;
  for (const CellTrial& one : cell.strip)
    if (one.signature) cell.standing = out.signatures[*one.signature].standing;
  cell.why = cell.fail == 0 ? "no failure; below the rate that the goal asks for"
                            : "against 5 nights: p=0.003, Fisher's exact test, Holm over all cells";
  cell.goal = "failure rate below 5 % at 95 %: " +
              std::string(cell.rate.high < 0.05 ? "reached" : "not reached");
  if (workload == 0)
    cell.numbers = {{"rcu-storm.longest_delay_us", std::size_t(trials), 90, 120, 300,
                     number == 0 ? "higher than in each of 3 nights before (median 40; rank sums, "
                                   "p=0.002)"
                                 : ""},
                    {"rcu-storm.turns_per_minute", std::size_t(trials), 7, 7, 7, ""}};
  out.cells.push_back(std::move(cell));
}

void add_nights(CampaignRecord& out, int nights) {
  for (int i = 0; i < nights; ++i) {
    NightSummary night{.id = "202611" + std::to_string(29 - nights + 1 + i) + "-013000.000-ab12",
                       .started_at = at(-86400.0 * (nights - 1 - i))};
    const bool last = i + 1 == nights;
    for (const CampaignCell& cell : out.cells) {
      night.pass += last ? cell.pass : cell.pass - i % 3;
      night.fail += last ? cell.fail : cell.fail / 2;
      night.inconclusive += cell.inconclusive;
    }
    night.fresh_signatures = last ? 1 : i == 2 ? 2 : 0;
    for (std::size_t s = 0; s < out.signatures.size(); ++s)
      out.signatures[s].nights.push_back(last     ? out.signatures[s].count
                                         : s == 1 ? 0
                                         : s == 2 ? i % 2
                                                  : out.signatures[s].count * (i + 3) / 9);
    out.nights.push_back(std::move(night));
  }
}

TrialRecord failed_trial(int index) {
  TrialRecord t;
  t.verdict = {Outcome::fail,
               "BUG: soft lockup in smp_call_function_many_cond",
               Kind::soft_lockup,
               "mm_get_cid",
               "soft_lockup:mm_get_cid",
               "the kernel reported a soft lockup, CPU 2 stopped beating"};
  t.subtests = {{"suite/good", "pass", "", 0.25},
                {"suite/bad", "fail", "expected 1, got 2", 1.5},
                {"suite/slow", "timeout", "45 seconds", 45.5},
                {"suite/none", "skip", "no such device", {}}};
  t.incident = {{"vCPU 2: spinning with interrupts off in mm_get_cid, task mmcid-vfork/141",
                 "vCPU 1 waits in smp_call_function_many_cond for CPU 2",
                 "console line 400: INFO: rcu detected stall in corrupted"},
                {"vCPU 1 waits in smp_call_function_many_cond"},
                "Culprit: vCPU 2 in mm_get_cid\n\nvCPU 2: spinning\n      mm_get_cid+0x55/0x90\n"
                "      __schedule+0x3f2/0xb90\n      schedule+0x27/0xf0\n"};
  t.findings = {
      {t.verdict.title, t.verdict.kind, t.verdict.culprit, 1, "mmcid-vfork/87", 410, 466, false,
       "[   27.871234] watchdog: BUG: soft lockup - CPU#1 stuck for 12s! [mmcid-vfork:87]\n"
       "[   27.871240] CPU: 1 UID: 0 PID: 87 Comm: mmcid-vfork Not tainted 6.19.6\n"
       "[   27.871250] RIP: 0010:smp_call_function_many_cond+0x123/0x4f0\n"
       "[   27.871260] Call Trace:\n"
       "[   27.871270]  <TASK>\n"
       "[   27.871280]  on_each_cpu_cond_mask+0x24/0x40\n"
       "[   27.871290]  sched_mm_cid_fork+0x18a/0x210\n"
       "[   27.871300]  copy_process+0x1a34/0x2a30\n"}};
  t.index = index;
  return t;
}

}  // namespace

CampaignRecord fake_campaign(const FakeShape& shape) {
  CampaignRecord out;
  out.id = "20261129-013000.000-ab12";
  out.name = "nightly";
  out.plan = "nightly.toml";
  out.state = RunState::finished;
  out.started_at = at(0);
  out.finished_at = at(7.96 * 3600);
  out.tests = {"rates: Clopper-Pearson", "nights: Fisher's exact test, Holm over all cells"};
  out.budget = {8 * 3600, 7.96 * 3600, 7.96 * 3600 * 2 * 0.93, 7.96 * 3600 * 2};
  for (const Planted& one : kPlanted) {
    CampaignSignature signature{
        .signature = one.signature, .title = one.title, .culprit = one.culprit};
    signature.kind = one.kind;
    signature.standing = one.standing;
    signature.why = "against 5 nights: p=0.0021, Fisher's exact test, Holm over 4 signatures";
    signature.common = one.common;
    out.signatures.push_back(std::move(signature));
  }
  out.signatures[0].known = {"2027-06-30", "https://lore.kernel.org/r/20260301-mm-cid@example.org",
                             false};
  out.signatures[3].known = {"2026-11-01", "", true};
  std::mt19937_64 random(1);
  for (int k = 0; k < shape.kernels; ++k)
    for (int w = 0; w < shape.workloads; ++w)
      for (int c = 0; c < shape.cpu_counts; ++c)
        fill(out, out.cells.size(), std::size_t(k) % std::size(kKernels),
             std::size_t(w) % std::size(kWorkloads), std::size_t(c + 1) % std::size(kCpus),
             shape.trials, random);
  add_nights(out, shape.nights);
  // What needs a look first comes first.
  const std::size_t order[] = {1, 2, 3, 0};
  std::vector<CampaignSignature> sorted;
  std::size_t place[4] = {};
  for (const std::size_t from : order) {
    place[from] = sorted.size();
    sorted.push_back(std::move(out.signatures[from]));
  }
  out.signatures = std::move(sorted);
  for (CampaignCell& cell : out.cells)
    for (CellTrial& one : cell.strip)
      if (one.signature) one.signature = place[*one.signature];
  out.lost = {"job 17 (kernel=git:mm cpus=2) was lost: its process was killed by SIGKILL"};
  return shape.hostile ? with_strings(std::move(out), hostile_strings().front()) : out;
}

RunRecord fake_run(const std::string& id, const std::vector<Outcome>& outcomes) {
  RunRecord run;
  run.id = id;
  run.state = RunState::finished;
  run.directory = "/var/lib/ktrial/runs/" + id;
  run.working_dir = "/home/user/my kernels";
  run.argv = {"ktrial",     "run",         "--kernel", "deb:linux-binary-6.19.6+deb13-cloud-amd64",
              "--workload", "mmcid-vfork", "--cpus",   "4",
              "--append",   "a b'c"};
  run.started_at = at(0);
  run.finished_at = at(125);
  run.spec.kernel = "deb:linux-binary-6.19.6+deb13-cloud-amd64";
  run.spec.workload = "mmcid-vfork";
  run.spec.parameters = {{"spinners", "6"}};
  run.spec.cpus = 4;
  run.spec.memory_mib = 1024;
  run.spec.repeat = static_cast<int>(outcomes.size());
  run.spec.duration_s = 20;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    TrialRecord t;
    if (outcomes[i] == Outcome::fail) t = failed_trial(0);
    t.index = static_cast<int>(i);
    if (outcomes[i] == Outcome::pass)
      t.verdict = {.outcome = Outcome::pass,
                   .reason = "mmcid-vfork finished and the kernel reported nothing"};
    if (outcomes[i] == Outcome::inconclusive)
      t.verdict = {.outcome = Outcome::inconclusive,
                   .kind = Kind::host_starved,
                   .reason = "the host was starved: CPU pressure 87 %"};
    t.duration_s = 21.5 + double(i);
    t.boot_s = 2.25;
    t.accel = "tcg";
    t.channel = "vhost-user-vsock";
    t.vmm = "qemu";
    t.artifacts = run.directory / "trials" / ("00" + std::to_string(i));
    t.kernel = {"6.19.6+deb13-cloud-amd64",
                "",
                "x86_64",
                "gcc-14 (Debian 14.2.0-19) 14.2.0",
                std::string(64, 'a'),
                std::string(64, 'b')};
    t.host = {"box", "AMD EPYC 7763", 2, "6.1.0-30-amd64", "7.2.17"};
    t.started_at = at(30.0 * double(i));
    run.trials.push_back(std::move(t));
  }
  run.verdict = overall(run.trials, run.spec.repeat);
  return run;
}

CampaignEvidence fake_evidence(const CampaignRecord& campaign, const FakeShape& shape) {
  CampaignEvidence out;
  for (const CampaignSignature& one : campaign.signatures) {
    RunRecord run = fake_run(one.run, {Outcome::fail});
    run.trials.front().index = one.index;
    run.trials.front().verdict.title = one.title;
    run.trials.front().verdict.signature = one.signature;
    run.trials.front().verdict.culprit = one.culprit;
    if (shape.hostile) run = with_strings(std::move(run), hostile_strings().front());
    run.id = one.run;
    out.pictures[{one.run, one.index}] =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 90\"><rect width=\"600\" "
        "height=\"90\" "
        "fill=\"#eef\"/><path d=\"M10 60h200v-30h120v30h260\" fill=\"none\" "
        "stroke=\"#246\"/></svg>";
    out.runs.insert_or_assign(one.run, std::move(run));
  }
  return out;
}

}  // namespace ktrial::results
