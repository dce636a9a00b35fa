// Jobs that are made of what a run left behind.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/bundle/kept.h"
#include "harness/run/job.h"

namespace ktrial::bundle {

// The run's job without anything of its host: no paths, no URIs, no build. What a bundle carries;
// of a run before job.json from its record.
run::Job public_job(const results::RunRecord& run, const std::string& reference);

// What a user says to a replay, over what was kept.
struct Choices {
  std::string kernel = {};  // a reference; empty: the kept one
  spec::Accel accel = spec::Accel::automatic;
  std::optional<spec::ChannelKind> channel = {};
  int repeat = 1;
  std::filesystem::path results = {}, cache = {};
  bool offline = false;
  std::vector<std::string> argv = {};  // of this ktrial
};

struct ReplayJob {
  run::Job job;
  std::vector<std::string> notes;  // what is not as it was, and why: for people
};

// The job that runs `trial` again. Of a bundle, a stranger's, only values are taken that say what
// runs within the guest, and how large it is; they are validated as a user's spec is. No path, no
// URI and no command of it reaches the host: the kernel is the bundle's own file (put into the
// cache under its digest), a package by name and version, or what `choices` names; the initramfs
// is the bundle's.
Result<ReplayJob> replay_job(const Kept& kept, const results::TrialRecord& trial,
                             const Choices& choices);

// What the run was asked for, packed anew: for who runs it otherwise than it was run. Of this
// host's own runs only, whose files are named; ErrorKind::usage: it is a bundle, or has no
// job.json.
Result<ReplayJob> job_of_run(const Kept& kept, const Choices& choices);

}  // namespace ktrial::bundle
