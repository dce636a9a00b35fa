// The trace's part of a trial's record. Internal to this folder.
#pragma once

#include <nlohmann/json.hpp>

#include "results/record.h"

namespace ktrial::results {

nlohmann::ordered_json to_json(const TraceStory& story);
TraceStory story_from_json(const nlohmann::ordered_json& json);

}  // namespace ktrial::results
