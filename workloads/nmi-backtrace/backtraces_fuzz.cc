// Any log: the checker ends, and what it says of a prefix cut by lost lines is
// never more than what it says of the whole.
#include <cstdlib>

#include "workloads/nmi-backtrace/backtraces.h"
#include "workloads/nmi-backtrace/plant.h"

using namespace ktrial::workload;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<KmsgLine> lines;
  while (!text.empty() && lines.size() < 1000) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (const auto record = parse_kmsg_record(line)) lines.push_back(*record);
    lines.push_back({lines.size(), std::string(line)});
    lines.back().sequence = lines.size() < 2 ? 0 : lines[lines.size() - 2].sequence + 1;
  }
  BacktraceRequest request;
  request.askers = {1};
  request.must = {0, 1, 2};
  request.may = {0, 1, 2, 3};
  const BacktraceVerdict verdict = check_backtraces(lines, request);
  for (const int cpu : verdict.unanswered)
    if (cpu < 0 || cpu > 8191) std::abort();
  if (verdict.broken.size() > lines.size() * 6 + 2) std::abort();
  if (!verdict.lost && verdict.broken.empty() && verdict.unanswered.empty() &&
      verdict.answers + verdict.idle > 3 * static_cast<int>(verdict.served))
    std::abort();
  if (const auto found = find_lockup(lines, request.must, request.may)) {
    if (found->first_line >= lines.size()) std::abort();
    check_backtraces(lines, found->request);
  }
  for (const std::string& name : plant_names()) check_backtraces(planted(lines, name), request);
  return 0;
}
