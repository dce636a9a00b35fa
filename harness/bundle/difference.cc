#include "harness/bundle/difference.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/text.h"
#include "harness/bundle/kept.h"

namespace ktrial::bundle {
namespace {
using results::Finding;
using results::Outcome;
using results::TrialRecord;
using results::Verdict;

void add(std::vector<Difference>& out, const char* what, std::string then, std::string now) {
  if (then == now || then.empty() || now.empty()) return;
  out.push_back({what, std::move(then), std::move(now)});
}

std::string number(double value) { return value > 0 ? fmt::format("{:g}", value) : ""; }

// Words that are in one command line only; what this host measured of itself is none.
std::string words_apart(const std::string& line, const std::string& other) {
  const auto theirs = split(other, ' ');
  std::string out;
  for (const std::string_view word : split(line, ' ')) {
    if (word.starts_with("lpj=") || word.starts_with("tsc_early_khz=") ||
        std::ranges::find(theirs, word) != theirs.end())
      continue;
    out += (out.empty() ? "" : " ") + std::string(word);
  }
  return out.empty() ? "-" : out;
}

void add_kernel(const Side& a, const Side& b, std::vector<Difference>& out) {
  const auto &then = a.trial.kernel, &now = b.trial.kernel;
  add(out, "kernel", then.release, now.release);
  add(out, "kernel's commit", then.commit, now.commit);
  add(out, "kernel image (SHA-256)", then.image_sha256.substr(0, 16),
      now.image_sha256.substr(0, 16));
  add(out, "kernel's config (SHA-256)", then.config_sha256.substr(0, 16),
      now.config_sha256.substr(0, 16));
  add(out, "compiler", then.compiler, now.compiler);
  const std::string line = fact(a.trial.facts, "kernel.command_line");
  const std::string other = fact(b.trial.facts, "kernel.command_line");
  if (!line.empty() && !other.empty())
    add(out, "kernel command line", words_apart(line, other), words_apart(other, line));
}

void add_machine(const Side& a, const Side& b, std::vector<Difference>& out) {
  const auto &then = a.run.spec, &now = b.run.spec;
  add(out, "vCPUs", number(then.cpus), number(now.cpus));
  add(out, "memory (MiB)", number(then.memory_mib), number(now.memory_mib));
  add(out, "machine", then.machine, now.machine);
  add(out, "accelerator", a.trial.accel, b.trial.accel);
  add(out, "channel", a.trial.channel, b.trial.channel);
  add(out, "backend", a.trial.vmm, b.trial.vmm);
  add(out, "workload", then.workload, now.workload);
  add(out, "in the guest", fact(a.run.facts, "guest.argv"), fact(b.run.facts, "guest.argv"));
  add(out, "time limits (scale)", fact(a.run.facts, "timeouts.scale"),
      fact(b.run.facts, "timeouts.scale"));
}

void add_host(const Side& a, const Side& b, std::vector<Difference>& out) {
  const auto &then = a.trial.host, &now = b.trial.host;
  add(out, "QEMU", then.qemu, now.qemu);
  add(out, "host's CPU", then.cpu, now.cpu);
  add(out, "host's CPUs", number(then.cores), number(now.cores));
  add(out, "host's kernel", then.kernel, now.kernel);
  add(out, "ktrial", a.run.recorded_by, b.run.recorded_by);
}

// Findings by title, and how many of each.
std::string titles(const std::vector<Finding>& findings) {
  constexpr std::size_t kMost = 8;
  std::string out;
  for (std::size_t i = 0; i < std::min(findings.size(), kMost); ++i)
    out +=
        fmt::format("{}{} (line {})", i > 0 ? "; " : "", findings[i].title, findings[i].first_line);
  if (findings.size() > kMost) out += fmt::format("; and {} more", findings.size() - kMost);
  return out.empty() ? "none" : out;
}

std::string subtests(const TrialRecord& trial) {
  const auto bad = std::ranges::count_if(trial.subtests, &results::Subtest::bad);
  return fmt::format("{}, {} of them bad", trial.subtests.size(), bad);
}

}  // namespace

bool same_verdict(const Verdict& then, const Verdict& now) {
  if (then.outcome != now.outcome) return false;
  return then.outcome == Outcome::fail ? then.signature == now.signature : then.kind == now.kind;
}

std::string in_short(const Verdict& verdict) {
  std::string out(name(verdict.outcome));
  if (verdict.outcome == Outcome::fail)
    return out + fmt::format(" \"{}\" ({})", verdict.title, verdict.signature);
  return verdict.kind.name().empty() ? out : out + fmt::format(" ({})", verdict.kind.name());
}

std::vector<Difference> differences(const Side& then, const Side& now) {
  std::vector<Difference> out;
  if (!same_verdict(then.trial.verdict, now.trial.verdict))
    add(out, "verdict", in_short(then.trial.verdict), in_short(now.trial.verdict));
  add_kernel(then, now, out);
  add_machine(then, now, out);
  add_host(then, now, out);
  return out;
}

std::vector<Difference> changes(const TrialRecord& stored, const TrialRecord& judged) {
  std::vector<Difference> out;
  const auto tell = [&](const char* what, std::string then, std::string now) {
    if (then != now) out.push_back({what, std::move(then), std::move(now)});
  };
  const Verdict &then = stored.verdict, &now = judged.verdict;
  tell("outcome", std::string(name(then.outcome)), std::string(name(now.outcome)));
  tell("title", then.title, now.title);
  tell("kind", std::string(then.kind.name()), std::string(now.kind.name()));
  tell("culprit", then.culprit, now.culprit);
  tell("signature", then.signature, now.signature);
  tell("reason", then.reason, now.reason);
  tell("findings", titles(stored.findings), titles(judged.findings));
  tell("subtests", subtests(stored), subtests(judged));
  return out;
}

}  // namespace ktrial::bundle
