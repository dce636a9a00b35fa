#include "harness/introspect/tasks_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "harness/introspect/modules.h"
#include "harness/introspect/stack.h"

namespace ktrial::introspect {

namespace {

struct Word {
  std::string comm;
  char state = 0;
};

// "17 (name (x)) S ...": the name may hold anything, so the last bracket ends it.
std::map<int, Word> parse_stats(const std::string& text) {
  std::map<int, Word> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto open = line.find('('), close = line.rfind(')');
    if (open == line.npos || close == line.npos || close + 2 >= line.size()) continue;
    out[std::atoi(line.c_str())] = {line.substr(open + 1, close - open - 1), line[close + 2]};
  }
  return out;
}

// "[<0>] function+0x1/0x2": the functions, innermost first.
std::map<int, std::vector<std::string>> parse_stacks(const std::string& text) {
  std::map<int, std::vector<std::string>> out;
  std::istringstream lines(text);
  int pid = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) {
      pid = std::atoi(line.c_str() + 1);
    } else if (const auto at = line.find("] "); at != line.npos) {
      const std::string function = line.substr(at + 2, line.find('+', at) - at - 2);
      if (function.find_first_not_of("0123456789abcdefx") != function.npos)
        out[pid].push_back(function);
    }
  }
  return out;
}

// In /proc a kernel worker's name has its work queue appended, and a kernel thread's is whole.
bool same_name(const std::string& theirs, const std::string& ours) {
  constexpr std::size_t kCut = 15;  // TASK_COMM_LEN - 1
  return theirs == ours ||
         ((ours.starts_with("kworker/") || ours.size() == kCut) && theirs.starts_with(ours));
}

bool is_subsequence(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
  std::size_t at = 0;
  for (const std::string& one : whole)
    if (at < part.size() && part[at] == one) ++at;
  return at == part.size();
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += name + " ";
  return out;
}

// Tasks may have moved between the guest's word and our look: a few, the busy ones.
constexpr double kAgreed = 0.9;

void check_list(const TaskList& list, std::map<int, Word> theirs) {
  EXPECT_EQ(list.trouble, "");
  std::size_t same_state = 0;
  const std::size_t all = theirs.size();
  EXPECT_EQ(list.tasks.size(), all);
  for (const Task& task : list.tasks) {
    auto word = theirs.extract(task.pid);
    if (word.empty()) {
      ADD_FAILURE() << "the guest has no task " << task.label();
      continue;
    }
    EXPECT_TRUE(same_name(word.mapped().comm, task.comm))
        << word.mapped().comm << " / " << task.comm;
    same_state += word.mapped().state == task.state;
    if (task.comm.starts_with("test ")) {
      EXPECT_EQ(word.mapped().state, task.state) << task.label();
    }
  }
  for (const auto& [pid, word] : theirs)
    ADD_FAILURE() << "not found in RAM: " << word.comm << "/" << pid;
  EXPECT_GE(same_state, kAgreed * all);
}

void check_stacks(const KernelView& kernel, const Unwinder& unwinder, const TaskList& list,
                  const std::map<int, std::vector<std::string>>& theirs) {
  std::size_t compared = 0, same = 0;
  std::string differing;
  for (const Task& task : list.tasks) {
    const auto word = theirs.find(task.pid);
    if (task.state == 'R' || task.state == 'Z' || word == theirs.end()) continue;
    std::vector<std::string> ours;
    bool certain = true;
    for (const Frame& frame : unwinder.sleeping(task)) {
      ours.push_back(kernel.symbols.function(frame.address));
      certain = certain && frame.certain;
    }
    ++compared;
    // /proc leaves the scheduler's own functions out, wherever they are.
    const bool agrees = certain && !ours.empty() && is_subsequence(word->second, ours) &&
                        ours.back() == word->second.back();
    same += agrees;
    if (!agrees)
      differing += task.label() + ": " + joined(ours) + " / " + joined(word->second) + "\n";
    if (task.comm.starts_with("test ")) {
      EXPECT_TRUE(agrees) << differing;
    }
  }
  EXPECT_GE(compared, 20u);
  EXPECT_GE(same, kAgreed * compared) << differing;
}

}  // namespace

void check_tasks(const Kernel& kernel, const SymbolTable& symbols, const std::string& stats,
                 const std::string& stacks) {
  auto bytes = kernel.btf_bytes();
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto btf = Btf::parse(std::move(*bytes));
  ASSERT_TRUE(btf) << btf.error().message;
  const KernelView view{kernel, symbols, *btf}, all{kernel, kernel.symbols(), *btf};
  const auto list = read_tasks(view);
  ASSERT_TRUE(list) << list.error().message;
  check_list(*list, parse_stats(stats));

  const auto modules = read_modules(all);
  ASSERT_TRUE(modules) << modules.error().message;
  const auto unwinder = kernel.isa().unwinder(view, *modules);
  EXPECT_EQ(unwinder->trouble(), "");
  check_stacks(view, *unwinder, *list, parse_stacks(stacks));
  for (unsigned cpu : {0u, 1u}) {
    const auto current = current_task(view, cpu);
    ASSERT_TRUE(current) << current.error().message;
    EXPECT_EQ(current->cpu, cpu);
    EXPECT_EQ(current->label(), current_task(all, cpu)->label());
  }
}

}  // namespace ktrial::introspect
