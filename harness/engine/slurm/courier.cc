#include "harness/engine/slurm/courier.h"

#include <fmt/format.h>

#include <boost/algorithm/string/replace.hpp>
#include <nlohmann/json.hpp>

#include "harness/base/command.h"
#include "harness/base/text.h"
#include "harness/spec/timeouts.h"

namespace ktrial::engine::slurm {
namespace fs = std::filesystem;
namespace {

constexpr char kFetch[] = "fetch", kSend[] = "send", kScratch[] = "scratch", kRuns[] = "runs";

Status move_all(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to, error);
  for (const auto& entry : fs::directory_iterator(from, error)) {
    const fs::path target = to / entry.path().filename();
    // From a time before, when we were killed in between.
    if (fs::exists(target, error)) continue;
    fs::rename(entry.path(), target, error);
    if (error) break;
  }
  if (error) return fail(ErrorKind::environment, to.string() + ": " + error.message());
  return {};
}

Status tar(std::vector<std::string> words) {
  words.insert(words.begin(), "tar");
  const auto done =
      KTRIAL_TRY(run_command(words, {.timeout = spec::host_wait(spec::HostWait::send_file)}));
  if (done.ok()) return {};
  return fail(ErrorKind::environment, "tar: " + last_line(done.err));
}

}  // namespace

std::string to_json(const spec::Courier& courier) {
  return nlohmann::json{{kFetch, courier.fetch}, {kSend, courier.send}, {kScratch, courier.scratch}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<spec::Courier> courier_from(std::string_view json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  spec::Courier out;
  const auto words = [&](const char* key, std::vector<std::string>& into) {
    if (!parsed.is_object() || !parsed.contains(key) || !parsed[key].is_array()) return false;
    for (const auto& word : parsed[key]) {
      if (!word.is_string()) return false;
      into.push_back(word.get<std::string>());
    }
    return !into.empty();
  };
  const bool whole = words(kFetch, out.fetch) && words(kSend, out.send) &&
                     parsed.contains(kScratch) && parsed[kScratch].is_string();
  if (!whole) return usage_error("--courier: is no courier; ktrial writes it into its tasks");
  out.scratch = parsed[kScratch].get<std::string>();
  return out;
}

std::vector<std::string> carried(const std::vector<std::string>& command, const fs::path& from,
                                 const fs::path& to) {
  std::vector<std::string> out;
  for (const std::string& word : command) {
    std::string filled = boost::replace_all_copy(word, "{from}", from.string());
    out.push_back(boost::replace_all_copy(filled, "{to}", to.string()));
  }
  return out;
}

Status carry(const std::vector<std::string>& command, const fs::path& from, const fs::path& to) {
  const auto done = KTRIAL_TRY(run_command(
      carried(command, from, to), {.timeout = spec::host_wait(spec::HostWait::send_file)}));
  if (done.ok()) return {};
  const std::string said = last_line(done.err);
  return fail(ErrorKind::environment,
              fmt::format("{}: {} to {}: {}", command.front(), from.string(), to.string(),
                          said.empty() ? fmt::format("exit {}", done.exit_status) : said),
              "see slurm.fetch and slurm.send of the fleet file; `ktrial doctor --engine slurm` "
              "tries them");
}

Status pack(const fs::path& store, const fs::path& events, const fs::path& into) {
  std::vector<std::string> words{"--sparse",
                                 "-cf",
                                 into.string(),
                                 "-C",
                                 events.parent_path().string(),
                                 events.filename().string()};
  std::error_code error;
  if (fs::exists(store / kRuns, error))
    words.insert(words.end(), {"-C", store.string(), std::string(kRuns)});
  return tar(std::move(words));
}

Status take_in(const fs::path& package, const fs::path& shard, const fs::path& store) {
  fs::path here = package;
  here.replace_extension(".open");
  std::error_code error;
  fs::remove_all(here, error);
  fs::create_directories(here, error);
  KTRIAL_TRY(tar({"--no-same-owner", "-xf", package.string(), "-C", here.string()}));
  // The runs first: events of a run that is not there would name a record that is lost.
  if (fs::exists(here / kRuns, error)) KTRIAL_TRY(move_all(here / kRuns, store / kRuns));
  fs::remove_all(here / kRuns, error);
  KTRIAL_TRY(move_all(here, shard));
  fs::remove_all(here, error);
  fs::remove(package, error);
  return {};
}

}  // namespace ktrial::engine::slurm
