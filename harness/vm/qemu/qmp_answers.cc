#include "harness/vm/qemu/qmp_answers.h"

#include <nlohmann/json.hpp>

#include "harness/base/text.h"

namespace ktrial::vm {

std::optional<Stopped> stop_told_by(const std::string& event, const nlohmann::json& data,
                                    bool paused) {
  // QEMU has no event of its own for an internal error; STOP is all it says.
  if (event == "STOP" && !paused) return Stopped{"QEMU stopped the machine by itself"};
  if (event == "GUEST_PANICKED" || event == "MEMORY_FAILURE")
    return Stopped{event + " " + data.dump()};
  return std::nullopt;
}

std::vector<pid_t> thread_ids(const nlohmann::json& cpus) {
  std::vector<pid_t> out;
  for (const auto& cpu : cpus) out.push_back(cpu.value("thread-id", 0));
  return out;
}

// "warning: ...", or with the program's name before it.
std::string without_warnings(std::string_view said) {
  std::string out;
  while (const auto line = take_line(said))
    if (!line->empty() && !line->starts_with("warning: ") &&
        line->find(": warning: ") == line->npos)
      out.append(out.empty() ? "" : "\n").append(*line);
  return out;
}

}  // namespace ktrial::vm
