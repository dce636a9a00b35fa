#include "harness/trial/unheard_beats.h"

#include <fmt/format.h>

#include <algorithm>

#include "guest/wire/wire.h"

namespace ktrial::trial {

std::map<unsigned, double> unheard_beats(const trace::History& history,
                                         const std::map<unsigned, std::uint64_t>& heard) {
  std::map<unsigned, double> out;
  for (const trace::Moment& moment : history.moments) {
    const auto last = heard.find(moment.cpu);
    if (moment.act != trace::Act::task_switch || last == heard.end()) continue;
    const auto name = history.names.find(moment.from);
    if (name == history.names.end() ||
        name->second != fmt::format("{}{}", wire::kBeatThread, moment.cpu))
      continue;
    const double after = (static_cast<double>(moment.ns) - static_cast<double>(last->second)) / 1e9;
    out[moment.cpu] = std::max(out[moment.cpu], after);
  }
  return out;
}

}  // namespace ktrial::trial
