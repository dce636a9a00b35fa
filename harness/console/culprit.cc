#include <re2/re2.h>

#include "harness/console/frames.h"
#include "harness/console/report.h"

namespace ktrial::console {
namespace {

// One CPU's state as printed: by its own register dump or an NMI backtrace.
struct CpuBlock {
  std::optional<int> cpu;
  std::string task;
  std::string ip;
  bool interrupts_off = false;
  std::vector<std::string> frames;
};

std::vector<CpuBlock> cpu_blocks(const std::vector<ReportLine>& lines) {
  static const RE2 kBacktrace(R"(^ *NMI backtrace for cpu (\d+))");
  static const RE2 kCpu(R"(^ *CPU: (\d+) (?:UID: \d+ )?PID: (\d+) Comm: (\S+))");
  static const RE2 kFlags(R"((?:EFLAGS|RFLAGS): ([0-9a-f]+))");
  std::vector<CpuBlock> blocks;
  bool named_by_nmi = false;
  for (const ReportLine& line : lines) {
    int cpu = 0;
    std::string pid, comm, flags;
    if (RE2::PartialMatch(line.message, kBacktrace, &cpu)) {
      blocks.push_back({.cpu = cpu});
      named_by_nmi = true;
    } else if (RE2::PartialMatch(line.message, kCpu, &cpu, &pid, &comm)) {
      // An NMI backtrace names its CPU twice.
      if (!named_by_nmi || blocks.empty() || blocks.back().cpu != cpu || !blocks.back().ip.empty())
        blocks.push_back({.cpu = cpu});
      blocks.back().task = comm + "/" + pid;
      named_by_nmi = false;
    }
    if (blocks.empty()) continue;
    CpuBlock& block = blocks.back();
    if (auto ip = parse_ip(line.message)) {
      if (block.ip.empty()) block.ip = *ip;
    } else if (auto frame = parse_frame(line.message); frame && frame->reliable) {
      block.frames.push_back(frame->function);
    }
    if (RE2::PartialMatch(line.message, kFlags, &flags))
      block.interrupts_off = (std::stoul("0x0" + flags.substr(0, 15), nullptr, 16) & 0x200) == 0;
  }
  return blocks;
}

// The block's telling function; empty if the CPU waits, idles or is in user mode.
std::string telling_function(const CpuBlock& block) {
  if (block.ip.empty() || is_waiter(block.ip)) return "";
  if (!is_generic(block.ip)) return block.ip;
  for (const std::string& frame : block.frames) {
    if (is_waiter(frame)) return "";
    if (!is_generic(frame)) return frame;
  }
  return "";
}

}  // namespace

Culprit find_culprit(const std::vector<ReportLine>& lines) {
  Culprit best;
  int best_score = 0;
  for (const CpuBlock& block : cpu_blocks(lines)) {
    const std::string function = telling_function(block);
    if (function.empty()) continue;
    const int score = 1 + 2 * block.interrupts_off + (function == block.ip);
    if (score <= best_score) continue;
    best_score = score;
    best = {function, block.cpu, block.task};
  }
  return best;
}

}  // namespace ktrial::console
