// For this folder's tests: records and a store to put them in.
#pragma once

#include <stdexcept>
#include <string>

#include "results/store/store.h"

namespace ktrial::results {

inline TrialRecord trial(int index, Outcome outcome = Outcome::pass) {
  TrialRecord t;
  t.index = index;
  t.verdict.outcome = outcome;
  t.verdict.reason = "reason " + std::to_string(index);
  t.duration_s = 1.25;
  t.boot_s = 0.5;
  t.accel = "tcg";
  t.channel = "virtio-serial";
  t.vmm = "qemu";
  t.facts = {{"release", "6.1"}, {"release", "again"}};
  t.counters = {{"warn_count", 18446744073709551615u}};
  t.started_at = TimePoint(std::chrono::milliseconds(1767225600123));
  if (outcome == Outcome::fail) {
    t.verdict.title = "BUG: soft lockup in foo";
    t.verdict.kind = Kind::soft_lockup;
    t.findings = {{t.verdict.title, t.verdict.kind, "foo", 3, "a/1", 10, 20, true, "text\n"}};
  }
  return t;
}

inline SpecSummary spec(int repeat) {
  SpecSummary s;
  s.kernel = "host";
  s.workload = "smoke";
  s.parameters = {{"threads", "8"}};
  s.repeat = repeat;
  s.cpus = 4;
  return s;
}

inline Store open(const std::filesystem::path& dir) {
  auto store = Store::open(dir);
  if (!store) throw std::runtime_error(store.error().message);
  return *store;
}

}  // namespace ktrial::results
