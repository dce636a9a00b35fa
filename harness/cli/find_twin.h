// `ktrial replay RUN --find-twin`.
#pragma once

#include <optional>
#include <string>

#include "harness/bundle/job.h"
#include "harness/bundle/kept.h"
#include "harness/cli/engine_choice.h"

namespace ktrial::cli {

struct TwinFlags {
  std::string budget;
  int jobs = 1;
  EngineFlags engine;
};

// Exit status: 1 found, 125 not.
Result<int> find_twin(const TwinFlags& flags, const bundle::Kept& kept, std::optional<int> trial,
                      const bundle::Choices& choices, bool json);

}  // namespace ktrial::cli
