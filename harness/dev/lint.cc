#include "harness/dev/lint.h"

#include <algorithm>
#include <memory>

#include "harness/base/re2.h"
#include "harness/dev/lint_files.h"

namespace ktrial::dev {
namespace fs = std::filesystem;
namespace {

// `guest` code runs without the harness; `shared` may be included by both.
enum class Side { host, guest, shared };
struct Folder {
  const char* name;
  int rank;
  Side side;
};
// The table of docs/architecture.md.
// clang-format off
constexpr Folder kFolders[] = {
    {"harness/base", 0, Side::host},
    {"harness/arch", 0, Side::host},
    {"guest/wire", 0, Side::shared},
    {"results", 1, Side::host},
    {"harness/spec", 1, Side::host},
    {"harness/stats", 1, Side::host},
    {"harness/kernel", 2, Side::host},
    {"harness/guest_image", 3, Side::host},
    {"harness/vm", 3, Side::host},
    {"harness/channel", 4, Side::host},
    {"harness/root", 4, Side::host},
    {"harness/console", 5, Side::host},
    {"harness/introspect", 5, Side::host},
    {"harness/subtests", 5, Side::host},
    {"harness/trace", 6, Side::host},
    {"harness/mail", 6, Side::host},
    {"harness/autopsy", 6, Side::host},
    {"harness/verdict", 7, Side::host},
    {"harness/trial", 8, Side::host},
    {"harness/run", 9, Side::host},
    {"harness/bundle", 10, Side::host},
    {"harness/interactive", 10, Side::host},
    {"harness/engine", 10, Side::host},
    {"harness/campaign", 11, Side::host},
    {"harness/bisect", 11, Side::host},
    {"harness/reproduce", 11, Side::host},
    {"harness/selftest", 11, Side::host},
    {"harness/cli", 12, Side::host},
    {"harness/e2e", 13, Side::host},
    {"harness/dev", 13, Side::host},
    {"guest/init", 1, Side::guest},
    {"guest/inject", 1, Side::guest},
    {"guest/mix", 1, Side::guest},
    {"guest/userland", 1, Side::guest},
    {"workloads", 1, Side::guest},
};
// clang-format on

const Folder* folder_of(const std::string& path) {
  for (const Folder& folder : kFolders)
    if (path.starts_with(std::string(folder.name) + "/")) return &folder;
  return nullptr;
}

// Why `from` may not include `to`; empty: it may.
// A guest folder's tests run on the host and may use its lowest ranks.
std::string objection(const Folder& from, const Folder& to, bool is_test) {
  if (&from == &to) return {};
  const std::string names = std::string(from.name) + " includes " + to.name;
  if (to.side == Side::guest) return names + ": guest code is reached as a program only";
  if (from.side != Side::host && to.side == Side::host)
    return is_test && to.rank <= 1 ? "" : names + ": guest code stands without the harness";
  if (to.rank >= from.rank)
    return names + ": rank " + std::to_string(to.rank) + " is not below rank " +
           std::to_string(from.rank);
  return {};
}

// Scripted stand-ins are for tests, and for each other.
bool may_fake(const fs::path& file) {
  const std::string name = file.filename();
  return name.starts_with("fake_") || name.ends_with("_test.cc") || name.ends_with("_fuzz.cc");
}

std::string check_include(const fs::path& root, const std::string& file, const Folder& from,
                          const std::string& target, bool quoted) {
  if (fs::path(target).filename().string().starts_with("fake_") && !may_fake(file))
    return target + ": a fake is for tests";
  if (const Folder* to = folder_of(target)) {
    if (!quoted) return "include project files as \"" + target + "\"";
    return objection(from, *to, file.ends_with("_test.cc"));
  }
  if (!quoted) return {};
  const fs::path beside = (root / file).parent_path() / target;
  if (target.find("..") == std::string::npos && fs::exists(beside)) return {};
  return "\"" + target + "\" is neither a path from the root nor a file beside this one";
}

}  // namespace

Findings check_includes(const fs::path& root) {
  static const RE2 kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  Findings out;
  for (const std::string& file : files_of(root)) {
    if (!is_code(file) || below_testdata(file)) continue;
    const Folder* from = folder_of(file);
    if (!from) {
      out.push_back(file + ": its folder has no rank; see docs/architecture.md and lint.cc");
      continue;
    }
    const auto lines = lines_of(root / file);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string quote, target;
      if (!partial_match(lines[i], kInclude, &quote, &target)) continue;
      const std::string wrong = check_include(root, file, *from, target, quote == "\"");
      if (!wrong.empty()) out.push_back(at(file, i) + wrong);
    }
  }
  return out;
}

Findings check_portability(const fs::path& root) {
  // Each in two halves, so that this file does not match itself.
  const struct {
    std::string pattern;
    const char* what;
  } kPatterns[] = {
      {std::string("(^|[^A-Za-z0-9_.$}*-])/ro") + "ot/", "a path in root's home"},
      {std::string("(^|[^A-Za-z0-9_.$}*-])/ho") + "me/[a-z]", "a path in somebody's home"},
      {std::string("(^|[^A-Za-z0-9_.$}*-])/wo") + "rk(space)?/", "a path of one machine"},
      {std::string("\\bmirr") + "ors?[0-9]*\\.[a-z0-9-]+\\.[a-z]", "the host of a mirror"},
      {std::string("\\b[a-z0-9-]+\\.(inter") + "nal|corp|intranet)(:[0-9]+|/)", "a private host"},
      {std::string("\\b(arti") + "factory|nexus)[.:/]", "a package proxy"},
      {std::string("//(10|192\\.1") + "68|172\\.(1[6-9]|2[0-9]|3[01]))\\.[0-9]+\\.",
       "a private address"},
  };
  std::vector<std::pair<std::unique_ptr<RE2>, const char*>> rules;
  for (const auto& p : kPatterns) rules.emplace_back(std::make_unique<RE2>(p.pattern), p.what);
  static const RE2 kNobody("/home/user/");  // an example's
  Findings out;
  for (const std::string& file : files_of(root)) {
    if (below_testdata(file)) continue;
    auto lines = lines_of(root / file);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].size() > 4096 || lines[i].find('\0') != std::string::npos) continue;
      RE2::GlobalReplace(&lines[i], kNobody, "");
      for (const auto& [rule, what] : rules)
        if (partial_match(lines[i], *rule)) out.push_back(at(file, i) + what);
    }
  }
  return out;
}

Findings check_lengths(const fs::path& root, std::size_t limit,
                       const std::set<std::string>& allowed) {
  Findings out;
  std::set<std::string> unneeded = allowed;
  for (const std::string& file : files_of(root)) {
    const fs::path path = file;
    const bool counts = is_code(path) || path.extension() == ".sh" || path.extension() == ".py" ||
                        path.extension() == ".cmake" || path.filename() == "CMakeLists.txt";
    if (!counts || below_testdata(file)) continue;
    const std::size_t lines = lines_of(root / file).size();
    if (lines <= limit) continue;
    unneeded.erase(file);
    if (!allowed.contains(file))
      out.push_back(file + ": " + std::to_string(lines) + " lines, more than " +
                    std::to_string(limit) + "; split it by concern");
  }
  for (const std::string& file : unneeded)
    out.push_back(file + ": is on the list of long files, but is not long (or not there)");
  return out;
}

}  // namespace ktrial::dev
