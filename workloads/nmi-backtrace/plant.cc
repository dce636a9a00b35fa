#include "workloads/nmi-backtrace/plant.h"

#include <algorithm>

namespace ktrial::workload {
namespace {

using Lines = std::vector<KmsgLine>;

bool is_answer(const KmsgLine& line) { return line.text.starts_with("NMI backtrace for cpu "); }

Lines::iterator first_request(Lines& lines) {
  return std::find_if(lines.begin(), lines.end(), [](const KmsgLine& line) {
    return line.text.starts_with("Sending NMI from CPU ");
  });
}

void drop_answer(Lines& lines) {
  const auto answer = std::find_if(first_request(lines), lines.end(), is_answer);
  if (answer != lines.end()) lines.erase(answer);
}

void answer_twice(Lines& lines) {
  const auto answer = std::find_if(first_request(lines), lines.end(), is_answer);
  if (answer != lines.end()) lines.insert(answer, KmsgLine(*answer));
}

void foreign_cpu(Lines& lines) {
  const auto request = first_request(lines);
  if (request != lines.end()) lines.insert(request + 1, {0, "NMI backtrace for cpu 8191"});
}

// The asker's own trace once more, among the answers.
void asker_answers(Lines& lines) {
  const auto request = first_request(lines);
  const auto own = std::find_if(lines.begin(), request, is_answer);
  if (own == request || request == lines.end()) return;
  const KmsgLine copy = *own;
  lines.insert(request + 1, copy);
}

struct Plant {
  const char* name;
  void (*plant)(Lines&);
};
constexpr Plant kPlants[] = {{"none", [](Lines&) {}},
                             {"drop_answer", drop_answer},
                             {"answer_twice", answer_twice},
                             {"foreign_cpu", foreign_cpu},
                             {"asker_answers", asker_answers}};

}  // namespace

std::vector<std::string> plant_names() {
  std::vector<std::string> names;
  for (const Plant& plant : kPlants) names.emplace_back(plant.name);
  return names;
}

std::vector<KmsgLine> planted(std::vector<KmsgLine> lines, const std::string& name) {
  if (lines.empty() || name == "none") return lines;
  const std::uint64_t first = lines.front().sequence;
  for (const Plant& plant : kPlants)
    if (name == plant.name) plant.plant(lines);
  for (std::size_t i = 0; i < lines.size(); ++i) lines[i].sequence = first + i;
  return lines;
}

}  // namespace ktrial::workload
