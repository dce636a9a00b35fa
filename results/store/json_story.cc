#include "results/store/json_story.h"

#include <algorithm>

#include "results/store/json_fields.h"

namespace ktrial::results {

Json to_json(const TraceStory& story) {
  Json cpus = Json::array(), forks = Json::array(), held = Json::array();
  for (const auto& one : story.cpus)
    cpus.push_back({{"cpu", one.cpu},
                    {"last_s", one.last_s},
                    {"last", one.last},
                    {"unfinished", one.unfinished},
                    {"longest_gap",
                     {{"seconds", one.gap_s},
                      {"from_s", one.gap_from_s},
                      {"idle", one.gap_idle},
                      {"open", one.gap_open}}}});
  for (const auto& one : story.forks)
    forks.push_back({{"at_s", one.at_s},
                     {"cpu", one.cpu},
                     {"parent", one.parent},
                     {"child", one.child},
                     {"child_ran", one.ran},
                     {"parent_waits", one.parent_waits}});
  for (const auto& one : story.held_off)
    held.push_back({{"since_s", one.since_s},
                    {"cpu", one.cpu},
                    {"task", one.task},
                    {"child", one.child},
                    {"child_ran", one.child_ran}});
  return {{"source", story.source},
          {"events", story.events},
          {"begin_s", story.begin_s},
          {"end_s", story.end_s},
          {"complete", story.missing.empty()},
          {"missing", strings(story.missing)},
          {"cpus", cpus},
          {"forks", forks},
          {"held_off", held}};
}

TraceStory story_from_json(const Json& json) {
  TraceStory out;
  const auto cpu_of = [](const Json& item) {
    return static_cast<unsigned>(std::max(0, int_of(item, "cpu")));
  };
  out.source = text_of(json, "source");
  out.events = unsigned_of(json, "events");
  out.begin_s = number_of(json, "begin_s");
  out.end_s = number_of(json, "end_s");
  out.missing = strings_of(json, "missing");
  each_object(json, "cpus", [&](const Json& item) {
    TraceStory::Cpu one{cpu_of(item), number_of(item, "last_s"), text_of(item, "last"),
                        bool_of(item, "unfinished")};
    if (const Json* gap = object_in(item, "longest_gap")) {
      one.gap_s = number_of(*gap, "seconds");
      one.gap_from_s = number_of(*gap, "from_s");
      one.gap_idle = bool_of(*gap, "idle");
      one.gap_open = bool_of(*gap, "open");
    }
    out.cpus.push_back(std::move(one));
  });
  each_object(json, "forks", [&](const Json& item) {
    out.forks.push_back({number_of(item, "at_s"), cpu_of(item), text_of(item, "parent"),
                         text_of(item, "child"), bool_of(item, "child_ran"),
                         bool_of(item, "parent_waits")});
  });
  each_object(json, "held_off", [&](const Json& item) {
    out.held_off.push_back({number_of(item, "since_s"), cpu_of(item), text_of(item, "task"),
                            text_of(item, "child"), bool_of(item, "child_ran")});
  });
  return out;
}

}  // namespace ktrial::results
