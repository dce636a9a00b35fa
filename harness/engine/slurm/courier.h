// Files between a node and the folder of who submits, for nodes that do not see it: each by one
// command of the user's, as the fleet file has it. Only single files go; none is seen half copied,
// by the order in which they go.
#pragma once

#include <filesystem>

#include "harness/base/result.h"
#include "harness/spec/fleet.h"

namespace ktrial::engine::slurm {

// As one word of a command line.
std::string to_json(const spec::Courier& courier);
Result<spec::Courier> courier_from(std::string_view json);

// The command's words, with the paths in them.
std::vector<std::string> carried(const std::vector<std::string>& command,
                                 const std::filesystem::path& from,
                                 const std::filesystem::path& to);
// Runs it. An error says what it wrote last.
Status carry(const std::vector<std::string>& command, const std::filesystem::path& from,
             const std::filesystem::path& to);

// What a task made, as one file: `runs/` of a store, and the task's events.
Status pack(const std::filesystem::path& store, const std::filesystem::path& events,
            const std::filesystem::path& into);
// Takes it in: the runs come into the store by rename, the events into `shard`. A package that was
// taken in by halves may be taken in again. It is gone afterwards.
Status take_in(const std::filesystem::path& package, const std::filesystem::path& shard,
               const std::filesystem::path& store);

}  // namespace ktrial::engine::slurm
