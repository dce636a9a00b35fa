// What a bundle and a replay came to, for people and for programs (docs/schema/replay.json).
#pragma once

#include <string>

#include "harness/bundle/replay.h"
#include "harness/bundle/writer.h"

namespace ktrial::bundle {

std::string text_of(const Written& written, const std::string& file);
std::string json_of(const Written& written, const std::string& file);

std::string text_of(const Replayed& replayed, const std::string& source);
std::string json_of(const Replayed& replayed, const std::string& source);

std::string text_of(const JudgedRun& judged, const Kept& kept);
std::string json_of(const JudgedRun& judged, const Kept& kept);

std::string text_of(const Compared& compared, const std::string& a, const std::string& b);
std::string json_of(const Compared& compared, const std::string& a, const std::string& b);

}  // namespace ktrial::bundle
