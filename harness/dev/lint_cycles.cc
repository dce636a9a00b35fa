#include <algorithm>
#include <map>

#include "harness/base/re2.h"
#include "harness/dev/lint.h"
#include "harness/dev/lint_files.h"

namespace ktrial::dev {
namespace fs = std::filesystem;
namespace {

// From each unit the units that it includes, and where.
using Includes = std::map<std::string, std::map<std::string, std::string>>;

std::string unit_of(const std::string& file) {
  return file.substr(0, file.size() - fs::path(file).extension().string().size());
}

Includes read_includes(const fs::path& root) {
  static const RE2 kInclude("^\\s*#\\s*include\\s*\"([^\"]+)\"");
  Includes out;
  for (const std::string& file : files_of(root)) {
    if (!is_code(file) || below_testdata(file)) continue;
    const auto lines = lines_of(root / file);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string target;
      if (!partial_match(lines[i], kInclude, &target)) continue;
      if (!fs::exists(root / target)) target = fs::path(file).parent_path() / target;
      if (unit_of(target) != unit_of(file) && fs::exists(root / target))
        out[unit_of(file)].emplace(unit_of(target), at(file, i));
    }
  }
  return out;
}

class Search {
 public:
  explicit Search(const Includes& includes) : includes_(includes) {}

  Findings run() {
    for (const auto& [unit, targets] : includes_) visit(unit);
    return std::move(found_);
  }

 private:
  enum class State { fresh, on_path, done };

  void visit(const std::string& unit) {
    State& state = states_[unit];
    if (state == State::on_path) return tell(unit);
    if (state == State::done) return;
    state = State::on_path;
    path_.push_back(unit);
    if (const auto found = includes_.find(unit); found != includes_.end())
      for (const auto& [target, place] : found->second) visit(target);
    path_.pop_back();
    states_[unit] = State::done;
  }

  void tell(const std::string& begin) {
    std::string out = "circle of includes:";
    auto from = std::ranges::find(path_, begin);
    for (; from != path_.end(); ++from) {
      const std::string& to = from + 1 == path_.end() ? begin : *(from + 1);
      out += "\n  " + includes_.at(*from).at(to) + *from + " includes " + to;
    }
    found_.push_back(std::move(out));
  }

  const Includes& includes_;
  std::map<std::string, State> states_;
  std::vector<std::string> path_;
  Findings found_;
};

}  // namespace

Findings check_cycles(const fs::path& root) {
  const Includes includes = read_includes(root);
  return Search(includes).run();
}

}  // namespace ktrial::dev
