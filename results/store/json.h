// Records as JSON, both ways. The written form is what `--format json` prints
// and what the run directory holds.
// Bytes that are not UTF-8 become U+FFFD: a guest must not break a document.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "results/record.h"

namespace ktrial::results {

using Json = nlohmann::ordered_json;

// `content` behind what every document begins with: its `schema` (kSchema) and ktrial's version.
Json document(Json content);

Json to_json(const Finding& finding);
Json to_json(const Determinism& one);
Json to_json(const Subtest& test);
Json to_json(const TrialRecord& trial);
Json to_json(const SpecSummary& spec);
// With the trials, by the command line contract; extra keys follow it.
Json to_json(const RunRecord& run);

// Wrong or missing fields are left at their defaults, except what makes the
// record a record (outcome of a trial, id of a run): without it, nullopt.
std::optional<TrialRecord> trial_from_json(const Json& json);
std::optional<RunRecord> run_from_json(const Json& json);

// Indented, ends in a newline, never throws.
std::string dump(const Json& json);
// One line, ends in a newline.
std::string dump_line(const Json& json);
std::optional<Json> parse_json(std::string_view text);

// "2026-03-01T12:34:56.789Z", UTC.
std::string to_text(TimePoint time);
std::optional<TimePoint> time_from_text(std::string_view text);

}  // namespace ktrial::results
