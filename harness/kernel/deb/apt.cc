#include "harness/kernel/deb/apt.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <sstream>

#include "harness/arch/arch.h"
#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/kernel/deb/apt_messages.h"
#include "harness/kernel/deb/apt_sources.h"
#include "harness/kernel/lock.h"
#include "harness/spec/timeouts.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

// Dir::... values of the machine's apt. It knows them better than we do, and
// APT_CONFIG in the environment is honoured this way.
Result<std::map<std::string, fs::path>> machine_paths() {
  auto output = run_command({"apt-config", "shell", "LISTS", "Dir::State::lists/d", "FILE",
                             "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d", "CACHE",
                             "Dir::Cache::pkgcache"});
  if (!output || !output->ok())
    return fail(ErrorKind::environment, "Debian packages need apt, which does not work here",
                "name a kernel image file instead, or run this on Debian");
  std::map<std::string, fs::path> paths;
  std::istringstream lines(output->out);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find("='");
    if (equals == std::string::npos || !line.ends_with('\'')) continue;
    paths[line.substr(0, equals)] = line.substr(equals + 2, line.size() - equals - 3);
  }
  return paths;
}

std::vector<AptSource> read_sources(const std::map<std::string, fs::path>& paths) {
  std::vector<fs::path> files;
  std::error_code error;
  if (auto file = paths.find("FILE"); file != paths.end()) files.push_back(file->second);
  if (auto parts = paths.find("PARTS"); parts != paths.end())
    for (const auto& entry : fs::directory_iterator(parts->second, error))
      files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<AptSource> sources;
  for (const fs::path& file : files) {
    const bool deb822 = file.extension() == ".sources";
    if (!deb822 && file.extension() != ".list") continue;
    auto text = read_file(file);
    if (!text) continue;  // Unreadable sources are apt's to complain about.
    std::ranges::move(deb822 ? parse_deb822_sources(*text) : parse_one_line_sources(*text),
                      std::back_inserter(sources));
  }
  return sources;
}

std::string quoted(const fs::path& path) { return "\"" + path.string() + "\""; }

std::string modification_time(const fs::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return "-";
  return std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
}

// One "Key: value" stanza after another, blank lines between.
std::vector<AptPackage> parse_stanzas(const std::string& text) {
  std::vector<AptPackage> packages;
  AptPackage package;
  auto finish = [&] {
    if (!package.name.empty()) packages.push_back(package);
    package = {};
  };
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) finish();
    const std::size_t colon = line.find(": ");
    if (line.starts_with(' ') || colon == std::string::npos) continue;
    const std::string key = line.substr(0, colon), value = line.substr(colon + 2);
    if (key == "Package") package.name = value;
    if (key == "Version") package.version = value;
    if (key == "Depends") package.depends = value;
    if (key == "Size") package.size = std::strtoull(value.c_str(), nullptr, 10);
  }
  finish();
  return packages;
}

}  // namespace

Result<Apt> Apt::create(const fs::path& cache_dir, std::function<void(std::string_view)> progress,
                        std::stop_token stop) {
  Apt apt(cache_dir / "apt");
  apt.progress_ = std::move(progress);
  apt.stop_ = std::move(stop);
  KTRIAL_TRY(apt.write_configuration());
  return apt;
}

Status Apt::write_configuration() {
  const auto paths = KTRIAL_TRY(machine_paths());
  const auto cache = paths.find("CACHE");
  machine_has_cache_ = cache != paths.end() && !cache->second.empty();
  const WiderSources sources = widen(read_sources(paths));
  std::error_code error;
  for (const char* name : {"sources.d", "lists/partial", "cache/archives/partial"}) {
    fs::create_directories(root_ / name, error);
    if (error) return fail_errno("create " + (root_ / name).string(), error.value());
  }
  const fs::path debian = arch::native().debian;
  std::string text =
      "// Written by ktrial. Read after the machine's own configuration.\n"
      "Dir::Etc::sourcelist \"/dev/null\";\n"
      "Dir::Etc::sourceparts " +
      quoted(root_ / "sources.d") +
      ";\n"
      "Dir::State::lists " +
      quoted(root_ / "lists") +
      ";\n"
      "Dir::Cache " +
      quoted(root_ / "cache") +
      ";\n"
      // Some machines (containers) keep no binary cache; without it each question
      // costs a second.
      "Dir::Cache::pkgcache \"pkgcache.bin\";\n"
      "Dir::Cache::srcpkgcache \"\";\n"
      // The guests', whatever the machine and its foreign architectures.
      "#clear APT::Architectures;\n"
      "APT::Architecture " +
      quoted(debian) +
      ";\n"
      "APT::Architectures { " +
      quoted(debian) +
      "; };\n"
      // Hooks of the machine clean up after its own apt, never after ours.
      "#clear APT::Update::Pre-Invoke;\n"
      "#clear APT::Update::Post-Invoke;\n"
      "#clear APT::Update::Post-Invoke-Success;\n"
      // Nothing but package lists: no translations, no AppStream, no Contents.
      "Acquire::Languages \"none\";\n"
      "#clear Acquire::IndexTargets;\n"
      "Acquire::IndexTargets::deb::Packages {\n"
      "  MetaKey \"$(COMPONENT)/binary-$(ARCHITECTURE)/Packages\";\n"
      "  flatMetaKey \"Packages\";\n"
      "  ShortDescription \"Packages\";\n"
      "  Description \"$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages\";\n"
      "  flatDescription \"$(RELEASE) Packages\";\n"
      "  Optional \"no\";\n"
      "};\n";
  if (!sources.own_release.empty())
    text += "APT::Default-Release \"/^" + sources.own_release + "(-security|-updates|)$/\";\n";
  // Rewritten only when changed: concurrent ktrials read these files.
  for (const auto& [file, content] : {std::pair{root_ / "apt.conf", text},
                                      {root_ / "sources.d" / "ktrial.sources", sources.text}}) {
    if (auto present = read_file(file); present && *present == content) continue;
    KTRIAL_TRY(write_file_atomically(file, content));
  }
  return {};
}

std::vector<std::string> Apt::command(Lists lists, const std::string& program) const {
  std::vector<std::string> argv{program, "--quiet"};
  if (lists == Lists::own)
    argv.push_back("--config-file=" + (root_ / "apt.conf").string());
  else if (!machine_has_cache_)
    argv.push_back("--option=Dir::Cache::pkgcache=" + (root_ / "cache/machine.bin").string());
  return argv;
}

Result<CommandOutput> Apt::run(std::vector<std::string> argv, fs::path directory) {
  return run_command(argv, {.timeout = spec::host_wait(spec::HostWait::download),
                            .directory = std::move(directory),
                            .stop = stop_});
}

Result<std::optional<AptPackage>> Apt::find(Lists lists, const std::string& name,
                                            const std::string& version) {
  if (lists == Lists::own && !has_own_lists()) return std::nullopt;
  std::vector<std::string> argv = command(lists, "apt-cache");
  argv.insert(argv.end(),
              {"show", "--no-all-versions", version.empty() ? name : name + "=" + version});
  const CommandOutput output = KTRIAL_TRY(run(std::move(argv)));
  for (AptPackage& package : parse_stanzas(output.out))
    if (package.name == name && (version.empty() || package.version == version))
      return std::move(package);
  return std::nullopt;
}

Result<std::vector<std::string>> Apt::versions(Lists lists, const std::string& name) {
  std::vector<std::string> result;
  if (lists == Lists::own && !has_own_lists()) return result;
  std::vector<std::string> argv = command(lists, "apt-cache");
  argv.insert(argv.end(), {"show", "--all-versions", name});
  const CommandOutput output = KTRIAL_TRY(run(std::move(argv)));
  for (const AptPackage& package : parse_stanzas(output.out))
    if (package.name == name) result.push_back(package.version);
  return result;
}

std::vector<std::string> Apt::kernel_names(Lists lists) {
  std::vector<std::string> names;
  if (lists == Lists::own && !has_own_lists()) return names;
  for (const char* prefix : {"linux-image-", "linux-binary-"}) {
    std::vector<std::string> argv = command(lists, "apt-cache");
    argv.insert(argv.end(), {"pkgnames", prefix});
    auto output = run(std::move(argv));
    if (!output) continue;
    std::istringstream lines(output->out);
    for (std::string line; std::getline(lines, line);)
      if (!line.ends_with("-dbg")) names.push_back(line);
  }
  return names;
}

Result<std::vector<AptPackage>> Apt::kernel_packages(Lists lists) {
  const std::vector<std::string> names = kernel_names(lists);
  if (names.empty()) return std::vector<AptPackage>{};
  std::vector<std::string> argv = command(lists, "apt-cache");
  argv.insert(argv.end(), {"show", "--all-versions"});
  argv.insert(argv.end(), names.begin(), names.end());
  return parse_stanzas(KTRIAL_TRY(run(std::move(argv))).out);
}

std::vector<std::string> Apt::near_matches(const std::string& name, std::size_t count) {
  std::map<std::string, std::size_t> distances;
  for (Lists lists : {Lists::machine, Lists::own})
    for (const std::string& candidate : kernel_names(lists))
      distances.try_emplace(candidate, edit_distance(name, candidate));
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const auto& [candidate, distance] : distances) ranked.emplace_back(distance, candidate);
  std::ranges::sort(ranked);
  std::vector<std::string> result;
  for (const auto& [distance, candidate] : ranked)
    if (result.size() < count) result.push_back(candidate);
  return result;
}

bool Apt::has_own_lists() const {
  std::error_code error;
  return fs::exists(root_ / "updated", error);
}

bool Apt::own_lists_are_old() const {
  std::error_code error;
  const auto updated = fs::last_write_time(root_ / "updated", error);
  const auto configured = fs::last_write_time(root_ / "sources.d" / "ktrial.sources", error);
  return error || configured > updated ||
         fs::file_time_type::clock::now() - updated > std::chrono::hours(1);
}

Status Apt::update_own_lists() {
  auto sources = read_file(root_ / "sources.d" / "ktrial.sources");
  if (!sources || sources->empty())
    return fail(ErrorKind::environment,
                "this machine's apt names no Debian mirror in which to look for more kernels",
                "name a kernel image or a deb:FILE.deb instead");
  const std::string before = modification_time(root_ / "updated");
  FileLock lock = KTRIAL_TRY(FileLock::acquire(root_ / "lock", stop_));
  // Another ktrial did it while we waited for the lock.
  if (modification_time(root_ / "updated") != before) return {};
  if (progress_) progress_("fetching Debian package lists");
  std::vector<std::string> argv = command(Lists::own, "apt-get");
  argv.push_back("update");
  const CommandOutput output = KTRIAL_TRY(run(std::move(argv)));
  std::error_code error;
  bool any = false;
  for (const auto& entry : fs::directory_iterator(root_ / "lists", error))
    any |= entry.path().filename().string().contains("_Packages");
  if (!any) return network_error("fetching Debian package lists", output);
  // A mirror that could not be reached leaves old lists in place, and apt calls
  // that a success: they are not fresh, though.
  if (mirror_unreachable(output.err)) return network_error("fetching Debian package lists", output);
  std::string left_out;
  for (const std::string& suite : suites_passed_over(output.err))
    left_out += (left_out.empty() ? "" : ", ") + suite;
  if (progress_ && !left_out.empty()) progress_("passed over: " + left_out);
  return write_file_atomically(root_ / "updated", "");
}

Result<fs::path> Apt::download(Lists lists, const AptPackage& package, const fs::path& directory) {
  if (progress_)
    progress_("downloading " + package.name + " " + package.version + " (" +
              std::to_string((package.size + 999'999) / 1'000'000) + " MB)");
  std::vector<std::string> argv = command(lists, "apt-get");
  argv.insert(argv.end(), {"download", package.name + "=" + package.version});
  const CommandOutput output = KTRIAL_TRY(run(std::move(argv), directory));
  if (!output.ok()) return network_error("downloading " + package.name, output);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (entry.path().extension() == ".deb") return entry.path();
  return fail(ErrorKind::environment, "apt-get download left no package: " + last_line(output.err));
}

std::unexpected<Error> Apt::network_error(const std::string& what,
                                          const CommandOutput& output) const {
  const std::string& text = output.err;
  std::string hint = "see whether `apt-get update` works here";
  if (mirror_unreachable(text))
    hint =
        "the mirror cannot be reached: check the network (and http_proxy), or name a kernel "
        "image file";
  if (text.contains("No space left"))
    hint = "free some space below " + root_.parent_path().string();
  return fail(ErrorKind::environment, what + " failed: " + apt_errors(text), hint);
}

std::string Apt::lists_stamp(const fs::path& cache_dir) {
  auto paths = machine_paths();
  if (!paths) return "";
  return modification_time((*paths)["LISTS"]) + " " +
         modification_time(cache_dir / "apt" / "updated");
}

std::vector<std::string> kernel_dependencies(std::string_view depends) {
  std::vector<std::string> names;
  while (!depends.empty()) {
    const std::size_t comma = depends.find(',');
    std::string_view item = depends.substr(0, comma);
    depends.remove_prefix(comma == std::string_view::npos ? depends.size() : comma + 1);
    item = item.substr(std::min(item.find_first_not_of(' '), item.size()));
    item = item.substr(0, item.find_first_of(" (|:"));
    for (std::string_view prefix : {"linux-image-", "linux-binary-", "linux-modules-"})
      if (item.starts_with(prefix)) names.emplace_back(item);
  }
  return names;
}

}  // namespace ktrial::kernel
