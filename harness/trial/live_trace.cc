#include "harness/trial/live_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/trace/collected.h"
#include "harness/trial/trace_files.h"

namespace ktrial::trial {

namespace {

wire::TraceSetup setup_of(const spec::TrialSpec& spec, const spec::TraceRequest& request) {
  wire::TraceSetup out{.clock = spec.trace_clock,
                       .stops = spec::stop_points(spec.trace_stop),
                       .functions = request.functions};
  for (const spec::TraceEvent& event : request.events)
    out.events.emplace_back(event.full(), event.filter);
  return out;
}

bool is_stop(const spec::TrialSpec& spec, const std::string& what) {
  const auto stops = spec::stop_points(spec.trace_stop);
  return std::ranges::find(stops, what) != stops.end();
}

const char* key_of(const spec::TrialSpec& spec, const std::string& what) {
  if (what == spec.trace_clock) return "trace_clock";
  if (is_stop(spec, what)) return "trace_stop";
  return "trace";
}

// A preset is what a kernel has of it, but something of it must be there.
Status judge(const Scene& scene, const spec::TraceRequest& request,
             const std::vector<std::pair<std::string, std::string>>& refused) {
  const spec::TrialSpec& spec = scene.plan.spec;
  std::map<std::string, std::set<std::string>> left;  // of each preset
  for (const spec::TraceEvent& event : request.events)
    if (!event.preset.empty()) left[event.preset].insert(event.full());
  std::string problems;
  const bool at_stall = spec.trace_stop == spec::kStopAtStall;
  if (at_stall)
    for (std::string& stop : spec::stop_points(spec.trace_stop))
      left[spec::kStopAtStall].insert(std::move(stop));
  for (const auto& [what, why] : refused) {
    const bool optional = at_stall && is_stop(spec, what);
    const auto preset = std::ranges::find_if(request.events, [&](const spec::TraceEvent& event) {
      return event.full() == what && !event.preset.empty();
    });
    const std::string text = fmt::format("{}: {}: {}", key_of(spec, what), what, why);
    if (preset == request.events.end() && !optional) {
      problems += (problems.empty() ? "" : "; ") + text;
      continue;
    }
    scene.context.observer.on_step(text);
    left[optional ? spec::kStopAtStall : preset->preset].erase(what);
  }
  for (const auto& [preset, events] : left)
    if (events.empty())
      problems += fmt::format("{}{}: {}: there is none of its events", problems.empty() ? "" : "; ",
                              preset == spec::kStopAtStall ? "trace_stop" : "trace", preset);
  if (problems.empty()) return {};
  return usage_error(fmt::format("kernel {}: {}", scene.monitor.hello()->kernel_release, problems),
                     left.contains("mmcid") && left["mmcid"].empty()
                         ? "function:*mm_cid* traces the functions instead"
                         : "in the guest, /sys/kernel/tracing/available_events names what it has");
}

// What the guest itself counted, as it said it.
std::string statistics(const trace::TraceFiles& files) {
  std::string out;
  for (const auto& [name, text] : files)
    if (name.ends_with("/stats")) out += "== " + name + "\n" + text;
  return out;
}

// Pieces come until the end; a guest that sends none for a while is waited for no longer.
void wait_for_files(const Scene& scene) {
  const TraceInbox& inbox = scene.monitor.trace();
  for (;;) {
    const std::size_t before = inbox.bytes();
    if (scene.monitor.wait_until([&] { return inbox.end() || inbox.bytes() > before; },
                                 scene.plan.timeouts.monitor_reply) &&
        !inbox.end())
      continue;
    return;
  }
}

std::string missing(const TraceInbox& inbox) {
  if (!inbox.trouble().empty()) return inbox.trouble();
  if (!inbox.end()) return "the guest stopped sending";
  return inbox.end()->problem;
}

}  // namespace

Status set_up_trace(const Scene& scene) {
  const spec::TrialSpec& spec = scene.plan.spec;
  const spec::TraceRequest& request = scene.plan.trace;
  if (!request.any() && spec.trace_clock.empty() && spec.trace_stop.empty()) return {};
  scene.channel.send(wire::encode(setup_of(spec, request)));
  const bool came = scene.monitor.wait_until(
      [&] { return scene.monitor.trace().ready().has_value(); }, scene.plan.timeouts.monitor_reply);
  if (!came) {
    // Whatever keeps it from answering ends the wait for the workload, too.
    scene.context.observer.on_event("trace-setup", "the guest did not answer");
    return {};
  }
  return judge(scene, request, scene.monitor.trace().ready()->refused);
}

void collect_trace(const Scene& scene) {
  const auto begun = scene.context.clock.now();
  scene.channel.send(wire::encode(wire::ReadTrace{}));
  wait_for_files(scene);
  const double took = in_seconds(scene.context.clock.now() - begun);
  const TraceInbox& inbox = scene.monitor.trace();
  auto collected = trace::from_tracefs(inbox.files());
  if (!collected)
    return scene.context.observer.on_event(
        "trace-lost", fmt::format("{}; {}", collected.error().message, missing(inbox)));
  trace::Trace& trace = collected->trace;
  if (const std::string why = missing(inbox); !why.empty()) trace.rings.trouble = why;
  write_trial_file(scene, "trace.stats", statistics(inbox.files()));
  write_trace(scene, trace, reports_of_console(scene));
  auto fact = [&](const char* name, std::string value) {
    scene.record.facts.emplace_back(name, std::move(value));
  };
  fact("trace.events", std::to_string(trace.count()));
  fact("trace.bytes", std::to_string(collected->bytes));
  fact("trace.overwritten", std::to_string(collected->overwritten));
  fact("trace.dropped", std::to_string(collected->dropped));
  fact("trace.complete", trace.rings.partial() ? "no" : "yes");
  fact("trace.seconds", fmt::format("{:.2f}", took));
  scene.context.observer.on_step(fmt::format(
      "trace: {} events collected in {:.2f} s, {} overwritten before, {} dropped{}", trace.count(),
      took, collected->overwritten, collected->dropped, trace.rings.partial() ? "; PARTIAL" : ""));
}

}  // namespace ktrial::trial
