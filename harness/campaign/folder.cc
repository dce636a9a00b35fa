#include "harness/campaign/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/spec/parse.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::campaign {
namespace fs = std::filesystem;
using results::Json;
namespace {

constexpr const char* kPlan = "plan.toml";
constexpr const char* kJournal = "journal.jsonl";
constexpr const char* kNight = "campaign.json";
constexpr const char* kUsed = "used";
constexpr double kTickEvery = 5;  // seconds

std::string new_id(const std::string& name, results::TimePoint now) {
  const std::string t = results::to_text(now);  // 2026-03-01T12:34:56.789Z
  return name + "-" + t.substr(0, 4) + t.substr(5, 2) + t.substr(8, 2) + "-" + t.substr(11, 2) +
         t.substr(14, 2) + t.substr(17, 2);
}

// "NAME-YYYYMMDD-HHMMSS" and perhaps "-2" -> its time, as it sorts.
std::string time_of(const std::string& id, const std::string& name) {
  return id.size() > name.size() ? id.substr(name.size() + 1) : "";
}

Result<Fd> locked(const fs::path& directory) {
  Fd fd = KTRIAL_TRY(open_file(directory / kJournal, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  return usage_error(directory.filename().string() + " is being run by another process",
                     "see `ktrial campaign status " + directory.filename().string() + "`");
}

std::vector<fs::path> nights_below(const fs::path& results) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator it(campaigns_dir(results), error), end; !error && it != end;
       it.increment(error))
    if (fs::exists(it->path() / kPlan, error)) out.push_back(it->path());
  std::ranges::sort(out);
  return out;
}

}  // namespace

fs::path campaigns_dir(const fs::path& results) { return results / "campaigns"; }

Result<Story> parse_journal(std::string_view text, std::string_view file) {
  Story story;
  while (const auto line = take_line(text)) {
    const auto json = results::parse_json(*line);
    if (!json || !json->is_object()) continue;
    const std::string event = results::text_of(*json, "event");
    if (const std::string budget = results::text_of(*json, "budget"); !budget.empty())
      story.budget = budget;
    story.used_s = std::max(story.used_s, results::number_of(*json, "used_s"));
    if (event == "begun") {
      story.id = results::text_of(*json, "campaign");
      story.plan_file = results::text_of(*json, "plan");
      story.argv = results::strings_of(*json, "argv");
      story.working_dir = results::text_of(*json, "cwd");
      if (const auto at = results::time_from_text(results::text_of(*json, "at")))
        story.started_at = *at;
      for (const auto& [from, to] : results::facts_of(*json, "pins")) story.pins[from] = to;
    } else if (event == "session") {
      ++story.sessions;
      story.ended = false;
      story.open.clear();
      if (const auto cores = to_number<int>(results::text_of(*json, "cores"))) story.cores = *cores;
    } else if (event == "submitted") {
      const std::string cell = results::text_of(*json, "cell");
      story.open[results::text_of(*json, "job")] = cell;
      ++story.begun[cell];
    } else if (event == "done") {
      story.open.erase(results::text_of(*json, "job"));
      const std::string problem = results::text_of(*json, "problem");
      if (!problem.empty()) story.lost.push_back(results::text_of(*json, "cell") + ": " + problem);
    } else if (event == "told") {
      story.told.push_back(results::text_of(*json, "signature"));
    } else if (event == "ended") {
      story.ended = results::text_of(*json, "state") == name(results::RunState::finished);
    }
  }
  if (story.id.empty())
    return fail(ErrorKind::environment, std::string(file) + " is not a campaign's journal",
                "begin a new night: ktrial campaign run PLAN.toml");
  return story;
}

namespace {

// The journal's story, and the time since its last line.
Result<Story> read_story(const fs::path& directory, std::string_view journal) {
  Story story = KTRIAL_TRY(parse_journal(journal, (directory / kJournal).string()));
  const std::string used = read_file(directory / kUsed, 64).value_or("");
  if (const auto s = to_number<double>(trimmed(used)); s && std::isfinite(*s))
    story.used_s = std::max(story.used_s, *s);
  return story;
}

}  // namespace

Result<Story> load_story(const fs::path& directory) {
  return read_story(directory, KTRIAL_TRY(read_file(directory / kJournal, 1u << 30)));
}

Result<spec::Plan> load_plan_of(const fs::path& directory, const Story& story) {
  spec::Plan plan = KTRIAL_TRY(spec::load_plan(directory / kPlan));
  if (!story.budget.empty()) plan.budget = KTRIAL_TRY(spec::parse_duration(story.budget));
  return plan;
}

Result<Folder> Folder::create(const fs::path& results, const Begin& begin) {
  Folder folder;
  const auto now = std::chrono::system_clock::now();
  std::string id = new_id(begin.name, now);
  std::error_code error;
  fs::create_directories(campaigns_dir(results), error);
  if (error) return fail_errno("create " + campaigns_dir(results).string(), error.value());
  // Two that begin in the same second are two.
  for (int i = 2; !fs::create_directory(campaigns_dir(results) / id, error); ++i) {
    if (error) return fail_errno("create " + (campaigns_dir(results) / id).string(), error.value());
    id = new_id(begin.name, now) + "-" + std::to_string(i);
  }
  folder.directory_ = campaigns_dir(results) / id;
  folder.story_.id = id;
  folder.story_.plan_file = begin.plan_file;
  folder.story_.started_at = now;
  folder.story_.argv = begin.argv;
  folder.story_.working_dir = begin.working_dir;
  folder.story_.pins = begin.pins;
  folder.story_.budget = begin.budget;
  folder.journal_ = KTRIAL_TRY(locked(folder.directory_));
  Json first{{"event", "begun"},
             {"at", results::to_text(now)},
             {"used_s", 0},
             {"campaign", id},
             {"plan", begin.plan_file},
             {"cwd", begin.working_dir.string()},
             {"argv", results::strings(begin.argv)},
             {"budget", begin.budget},
             {"pins", results::pairs({begin.pins.begin(), begin.pins.end()})}};
  KTRIAL_TRY(write_all(folder.journal_.get(),
                       results::dump_line(results::document(std::move(first))),
                       folder.directory_ / kJournal));
  // The plan last: a folder that has it is whole.
  KTRIAL_TRY(write_file_atomically(folder.directory_ / kPlan, begin.plan_text));
  return folder;
}

Result<Folder> Folder::open(const fs::path& directory) {
  Folder folder;
  folder.directory_ = directory;
  folder.journal_ = KTRIAL_TRY(locked(directory));
  const std::string text = KTRIAL_TRY(read_file(directory / kJournal, 1u << 30));
  folder.story_ = KTRIAL_TRY(read_story(directory, text));
  // What a dying process wrote half of must not grow together with the next line.
  if (!text.ends_with('\n'))
    KTRIAL_TRY(write_all(folder.journal_.get(), "\n", directory / kJournal));
  return folder;
}

Status Folder::append(double used_s, const char* event, results::Facts values) {
  Json line{{"event", event},
            {"at", results::to_text(std::chrono::system_clock::now())},
            {"used_s", used_s}};
  for (auto& [key, value] : values) line[key] = std::move(value);
  KTRIAL_TRY(write_all(journal_.get(), results::dump_line(line), directory_ / kJournal));
  if (::fdatasync(journal_.get()) != 0)
    return fail_errno("sync " + (directory_ / kJournal).string(), errno);
  return {};
}

Status Folder::session(double used_s, int cores, const std::string& budget) {
  return append(
      used_s, "session",
      {{"cores", std::to_string(cores)}, {"pid", std::to_string(::getpid())}, {"budget", budget}});
}
Status Folder::submitted(double used_s, std::uint64_t job, const std::string& cell) {
  return append(used_s, "submitted", {{"job", std::to_string(job)}, {"cell", cell}});
}
Status Folder::done(double used_s, std::uint64_t job, const std::string& cell,
                    const std::string& run, const std::string& problem) {
  return append(used_s, "done",
                {{"job", std::to_string(job)}, {"cell", cell}, {"run", run}, {"problem", problem}});
}
Status Folder::tick(double used_s) {
  if (used_s < ticked_s_ + kTickEvery) return {};
  ticked_s_ = used_s;
  return write_file_atomically(directory_ / kUsed, fmt::format("{:.1f}\n", used_s));
}
Status Folder::told(double used_s, const std::string& signature) {
  return append(used_s, "told", {{"signature", signature}});
}
Status Folder::ended(double used_s, results::RunState state) {
  return append(used_s, "ended", {{"state", std::string(name(state))}});
}
Status Folder::write(const NightFile& night) const {
  return write_file_atomically(directory_ / kNight, to_json(night));
}

std::vector<NightFile> nights_of(const fs::path& results, const std::string& name) {
  std::vector<NightFile> out;
  for (const fs::path& directory : nights_below(results)) {
    if (!directory.filename().string().starts_with(name + "-")) continue;
    const auto text = read_file(directory / kNight);
    if (!text) continue;
    auto night = night_from_json(*text, (directory / kNight).string());
    if (night && night->name == name) out.push_back(*std::move(night));
  }
  std::ranges::sort(out, {}, [](const NightFile& night) {
    return std::pair(night.seen.started_at, night.seen.id);
  });
  return out;
}

bool is_running(const fs::path& directory) {
  auto fd = open_file(directory / kJournal, O_RDONLY | O_CLOEXEC);
  return fd && ::flock(fd->get(), LOCK_SH | LOCK_NB) != 0;
}

Result<fs::path> find_night(const fs::path& results, const std::string& ref) {
  std::error_code error;
  if (fs::exists(fs::path(ref) / kJournal, error)) return fs::path(ref);
  const auto all = nights_below(results);
  std::string name = ref;  // of a plan
  if (fs::is_regular_file(ref, error)) name = KTRIAL_TRY(spec::load_plan(ref)).name;
  std::optional<fs::path> latest;
  std::string latest_time;
  std::vector<fs::path> beginnings;
  for (const fs::path& directory : all) {
    const std::string id = directory.filename();
    if (id == ref) return directory;
    if (!ref.empty() && id.starts_with(ref)) beginnings.push_back(directory);
    const auto story = load_story(directory);
    if (!story) continue;
    const bool of_plan =
        ref == "last" || (id.starts_with(name + "-") &&
                          time_of(id, name).find_first_not_of("0123456789-") == id.npos);
    const std::string time = results::to_text(story->started_at) + id;
    if (of_plan && time > latest_time) latest = directory, latest_time = time;
  }
  if (latest) return *latest;
  if (beginnings.size() == 1) return beginnings.front();
  return usage_error("no campaign '" + ref + "' in " + campaigns_dir(results).string(),
                     "give a plan's file or name, an id, or last; --results says where they are");
}

}  // namespace ktrial::campaign
