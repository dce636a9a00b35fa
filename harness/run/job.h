// A job: one spec with its trials on one kernel, whole. All that `ktrial run` knows after its
// flags are read, as plain values; as a file (job.json) it is what `ktrial job` runs, in a process
// of its own, here or elsewhere.
//
// The file is one JSON object, {"schema": 1, "spec": {...}, "build": {...}, ...}. A key that is
// missing has its default; a key that is unknown, a value of the wrong type and a newer schema are
// errors. Text that is not UTF-8 is {"latin1": TEXT}, a character a byte.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/kernel/build/build.h"
#include "harness/spec/spec.h"

namespace ktrial::run {

// How a kernel git:REV is built: the values of a kernel::BuildRequest.
struct Build {
  std::filesystem::path tree;  // empty: none was named
  std::vector<std::filesystem::path> fragments = {};
  std::optional<std::filesystem::path> base_config = {};
  std::string compiler = "gcc";
  unsigned jobs = 0;  // of make; 0: one for each CPU
  bool operator==(const Build&) const = default;
};
// Revision, cache, progress and stop are left to who resolves the kernel.
kernel::BuildRequest to_request(const Build& build);
Build to_values(const kernel::BuildRequest& request);

inline constexpr int kJobSchema = 1;

struct Job {
  spec::TrialSpec spec = {};
  Build build = {};
  std::filesystem::path results = {};               // the store's folder
  std::optional<std::filesystem::path> cache = {};  // default: kernel::default_cache_dir()
  bool offline = false;                             // no downloads
  std::vector<std::string> argv = {};               // what re-runs it
  std::filesystem::path working_dir = {};           // relative paths start there; empty: here
  int beside_vcpus = 0;  // of other machines that may share the host meanwhile
  int of_many = 1;       // trials of its machine that its maker counts on, in this job and others
  // A guest that is well is looked into, too, before it powers off: facts introspection.*.
  bool introspect = false;
  int boots = 1;  // of a trial, under TCG: 2 tries once more when it was lost at boot
  // Packed before: taken as it is, nothing is packed. The first word of spec.command is then a path
  // in the guest.
  std::optional<std::filesystem::path> initramfs = {};
  // Makes the kernel (build.tree's, of spec.kernel git:REV) and no more, on the time that others
  // leave of the CPUs; nothing goes to the store. For who may want it soon.
  bool kernel_only = false;
  std::string campaign = {};  // that it belongs to, and its cell there; may be empty
  std::string cell = {};
  bool operator==(const Job&) const = default;
};

// The file's text.
std::string to_json(const Job& job);
// ErrorKind::usage, with all problems, a line each: "FILE: spec.cpus: must be an integer".
Result<Job> parse_job(std::string_view json, std::string_view file);
Result<Job> load_job(const std::filesystem::path& path);

}  // namespace ktrial::run
