// Slurm's command line: what is asked for is named field by field, nothing is read that was made
// for a screen. Tested with Slurm 22.05.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "harness/engine/packing.h"
#include "harness/engine/slurm/cluster.h"
#include "harness/spec/fleet.h"

namespace ktrial::engine::slurm {

// What a job's task asks for. Its time limit is far above what the job takes: it ends what hangs,
// a trial ends itself.
Ask ask_of(const run::Job& job, const spec::Slurm& config);
// Seconds that a job takes, about.
double expected_s(const run::Job& job);

// All arrays of a fleet have one name, and their shard's as a comment.
std::vector<std::string> sbatch_words(const Array& array, const spec::Slurm& config,
                                      const std::string& name, const std::filesystem::path& folder);
std::vector<std::string> squeue_words(const std::string& name);
std::vector<std::string> sacct_words(const std::string& name);
std::vector<std::string> sinfo_words(const spec::Slurm& config);

// "17" or "17;cluster".
Result<std::string> parse_sbatch(std::string_view text);
struct Row {
  std::string array, shard;
  Sight sight;
};
// Lines "ARRAY|INDEX|STATE|NODES|COMMENT". A line that is none is an error.
Result<std::vector<Row>> parse_squeue(std::string_view text);
// Lines "ARRAY_INDEX|STATE|NODES"; those of no array's task are passed over. One that was put back
// is told as it ended last; one that was cancelled before it began is not there (22.05).
std::vector<Row> parse_sacct(std::string_view text);
// Lines "NODE|CPUS|MIB|STATE"; nodes that are not up are left out. Each node counts once.
Result<Room> parse_sinfo(std::string_view text);

// What the partition's nodes have, those that are up.
Result<Room> room_of(const spec::Slurm& config);

// `name`: of the fleet's arrays; `folder`: of its shards.
std::unique_ptr<Cluster> slurm_cluster(const spec::Slurm& config, std::string name,
                                       std::filesystem::path folder);

}  // namespace ktrial::engine::slurm
