// A job's file and a job's event: what is taken comes back the same from what is written of it.
#include <cstdlib>
#include <string_view>

#include "harness/run/event.h"
#include "harness/run/job.h"

namespace {
using namespace ktrial::run;

std::string_view without_newline(std::string_view line) { return line.substr(0, line.size() - 1); }

void check_event(std::string_view bytes) {
  const auto first = parse_event(bytes);
  if (!first) return;
  // Times are rounded and texts cut when they are written: once.
  const auto second = parse_event(without_newline(to_lines(*first).front()));
  if (!second) std::abort();
  const auto third = parse_event(without_newline(to_lines(*second).front()));
  if (!third || !(*third == *second)) std::abort();
}

void check_stream(std::string_view bytes) {
  const auto events = [&](std::size_t piece) {
    std::size_t heard = 0;
    EventReader reader([&](const Event&) { ++heard; });
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      if (!reader.feed(bytes.substr(at, piece))) break;
    return heard;
  };
  if (events(7) != events(bytes.size() + 1)) std::abort();
}

void check_job(std::string_view bytes) {
  const auto job = parse_job(bytes, "job.json");
  if (!job) return;
  const auto again = parse_job(to_json(*job), "job.json");
  if (!again || !(*again == *job)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_event(bytes);
  check_stream(bytes);
  check_job(bytes);
  return 0;
}
