#include "harness/spec/fleet.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <tuple>

#include "harness/base/home.h"
#include "harness/spec/cells.h"
#include "harness/spec/parse.h"

namespace ktrial::spec {
namespace {

constexpr int kLargestArray = 100'000, kMostAttempts = 20;

// Flags that decide how tasks are found again.
constexpr const char* kOurs[] = {"--array",    "-a",      "--parsable", "--output", "-o",
                                 "--job-name", "-J",      "--wait",     "-W",       "--wrap",
                                 "--comment",  "--chdir", "-D"};

void read_sbatch(Table& table, const toml::table& node, Slurm& into) {
  table.read("sbatch", into.sbatch);
  for (const std::string& flag : into.sbatch) {
    const std::string name = flag.substr(0, flag.find('='));
    if (!flag.starts_with("-"))
      table.problems().add(
          *node.get("sbatch"), table.shown("sbatch"),
          in_quotes(flag) + " is no flag; a flag and its value are one string, \"--nice=100\"");
    else if (std::ranges::find(kOurs, name) != std::end(kOurs))
      table.problems().add(*node.get("sbatch"), table.shown("sbatch"),
                           in_quotes(name) + " is ktrial's own to set");
  }
}

void read_courier(Table& table, const toml::table& node, Courier& into) {
  table.read("fetch", into.fetch);
  table.read("send", into.send);
  table.read("scratch", into.scratch);
  for (const auto& [key, words, other] : {std::tuple("fetch", &into.fetch, &into.send),
                                          std::tuple("send", &into.send, &into.fetch)}) {
    if (words->empty()) continue;
    for (const char* place : {"{from}", "{to}"})
      if (std::ranges::none_of(*words, [&](const auto& word) { return word.contains(place); }))
        table.problems().add(*node.get(key), table.shown(key),
                             std::string("has no ") + place +
                                 "; it is a command, like [\"scp\", \"-q\", \"{from}\", \"{to}\"]");
    if (other->empty())
      table.problems().add(*node.get(key), table.shown(key),
                           "fetch and send go together, and one is missing");
  }
}

void read_slurm(Table& table, const toml::table& node, Slurm& into) {
  table.read("partition", into.partition);
  table.read("account", into.account);
  table.read("qos", into.qos);
  table.read("constraint", into.constraint);
  table.read("kvm", into.kvm);
  read_sbatch(table, node, into);
  table.read("program", into.program);
  table.read("cache", into.cache);
  read_courier(table, node, into.courier);
  for (const auto& [key, path] :
       {std::pair("program", &into.program), std::pair("cache", &into.cache),
        std::pair("scratch", &into.courier.scratch)})
    if (!path->empty() && path->front() != '/')
      table.problems().add(*node.get(key), table.shown(key), "must be an absolute path");
  table.read("largest_array", into.largest_array, 1, kLargestArray);
  table.read("attempts", into.attempts, 1, kMostAttempts);
  table.read_with("poll", into.poll, [](std::string_view text) -> Result<Milliseconds> {
    const auto value = KTRIAL_TRY(parse_duration(text));
    if (value < Slurm{}.poll)
      return usage_error("must be at least " + format_duration(Slurm{}.poll));
    return value;
  });
  table.finish();
}

void read_hosts(Table& table, const toml::table& node, std::vector<std::string>& into) {
  table.read("uris", into);
  std::set<std::string> seen;
  for (const std::string& uri : into) {
    const auto say = [&](const char* what) {
      table.problems().add(*node.get("uris"), table.shown("uris"), in_quotes(uri) + what);
    };
    if (!uri.contains(':')) say(" is no libvirt URI; one is \"qemu+ssh://lab1/system\"");
    if (!seen.insert(uri).second) say(" stands there twice");
  }
  table.finish();
}

}  // namespace

Result<Fleet> parse_fleet(std::string_view toml, std::string_view file) {
  Problems problems(file, "the format is described in docs/fleet.md");
  const auto parsed = parse_toml(toml, file, problems);
  if (!parsed) return std::unexpected(problems.error());
  Fleet fleet;
  Table root(*parsed, "", problems);
  const auto section = [&](const char* key, auto read) {
    const toml::node* node = root.find(key);
    if (node == nullptr) return;
    if (!node->is_table()) return root.wrong_type(key, *node, "a table");
    Table table(*node->as_table(), std::string(key) + ".", problems);
    read(table, *node->as_table());
  };
  section("slurm",
          [&](Table& table, const toml::table& node) { read_slurm(table, node, fleet.slurm); });
  section("hosts",
          [&](Table& table, const toml::table& node) { read_hosts(table, node, fleet.hosts); });
  root.finish();
  if (!problems.empty()) return std::unexpected(problems.error());
  return fleet;
}

Result<Fleet> load_fleet(const std::filesystem::path& path) {
  return parse_fleet(KTRIAL_TRY(read_spec_file(path, "fleet")), path.string());
}

std::filesystem::path default_fleet_file() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const bool set = config != nullptr && *config == '/';
  return (set ? std::filesystem::path(config) : home_dir() / ".config") / "ktrial/fleet.toml";
}

}  // namespace ktrial::spec
