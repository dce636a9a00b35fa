// What a fleet is (TOML): a cluster's Slurm, or hosts with libvirt. Format: docs/fleet.md. All
// problems are told at once, "FILE:LINE: KEY: what is wrong".
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::spec {

// How files go between a node and who submits, where nodes do not see the results folder: commands,
// a word each, in which "{from}" and "{to}" stand for absolute paths.
struct Courier {
  std::vector<std::string> fetch, send;  // to the node; from there
  std::string scratch = "/var/tmp";      // on nodes, for what a task makes
  bool used() const { return !fetch.empty(); }
  bool operator==(const Courier&) const = default;
};

struct Slurm {
  std::string partition, account, qos, constraint;  // empty: the cluster's defaults
  std::string kvm;                  // the feature of nodes for jobs with --accel kvm; empty: any
  std::vector<std::string> sbatch;  // more of its flags
  std::string program;              // ktrial's path on nodes; empty: this one's
  std::string cache;                // of kernels, on nodes; empty: each user's own there
  Courier courier;
  int largest_array = 500;
  int attempts = 4;                             // of a job that was lost
  Milliseconds poll = std::chrono::seconds(5);  // between questions to the scheduler, at least
  bool operator==(const Slurm&) const = default;
};

struct Fleet {
  Slurm slurm;
  std::vector<std::string> hosts;  // libvirt URIs
  bool operator==(const Fleet&) const = default;
};

Result<Fleet> load_fleet(const std::filesystem::path& path);
// The same from memory; `file` only names it in messages.
Result<Fleet> parse_fleet(std::string_view toml, std::string_view file);
// $XDG_CONFIG_HOME/ktrial/fleet.toml, else ~/.config/...
std::filesystem::path default_fleet_file();

}  // namespace ktrial::spec
