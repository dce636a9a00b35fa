#include "harness/engine/slurm/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/engine/slurm/courier.h"

namespace ktrial::engine::slurm {
namespace fs = std::filesystem;
namespace names {

fs::path job(const fs::path& shard, int index) { return shard / fmt::format("{}.json", index); }
fs::path taken(const fs::path& shard, int index) { return shard / fmt::format("{}.taken", index); }
fs::path events(const fs::path& shard, int index, int attempt) {
  return shard / fmt::format("{}.{}.events", index, attempt);
}
fs::path end(const fs::path& shard, int index) { return shard / fmt::format("{}.end", index); }
fs::path out(const fs::path& shard, int index) { return shard / fmt::format("{}.out", index); }
fs::path package(const fs::path& shard, int index) { return shard / fmt::format("{}.tar", index); }

}  // namespace names
namespace {

constexpr std::size_t kMostEvents = 64u << 20, kMostWord = 64u << 10;  // bytes of a file
constexpr int kMostAttempts = 100;

// The number of "7.end", if it is one of those.
std::optional<int> index_of(const fs::path& file, std::string_view extension) {
  if (file.extension() != extension) return std::nullopt;
  return to_number<int>(file.stem().string());
}

// "$0" is the shard's own script; the shell stays away as soon as ktrial runs.
std::string script_of(const fs::path& shard, const std::string& program,
                      const spec::Courier& courier) {
  return fmt::format(
      "#!/bin/sh\n# A task of a fleet's: ktrial's docs/fleet.md.\nexec {} job --task "
      "{}/\"$SLURM_ARRAY_TASK_ID\".json{}\n",
      shell_quoted(program), shell_quoted(shard.string()),
      courier.used() ? " --courier " + shell_quoted(to_json(courier)) : "");
}

}  // namespace

std::string to_json(const LastWord& word) {
  return nlohmann::json{
             {"schema", 1}, {"exit", word.exit}, {"abandoned", word.abandoned}, {"node", word.node}}
             .dump() +
         "\n";
}

std::optional<LastWord> last_word_from(std::string_view json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_object()) return std::nullopt;
  LastWord out;
  const auto exit = parsed.find("exit"), abandoned = parsed.find("abandoned"),
             node = parsed.find("node");
  if (exit == parsed.end() || !exit->is_number_integer()) return std::nullopt;
  out.exit = exit->get<int>();
  out.abandoned = abandoned != parsed.end() && abandoned->is_boolean() && abandoned->get<bool>();
  if (node != parsed.end() && node->is_string()) out.node = node->get<std::string>();
  return out;
}

Told told_in(const fs::path& shard, int index) {
  Told out;
  std::error_code error;
  out.begun = fs::exists(names::taken(shard, index), error);
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    const auto text = read_file(names::events(shard, index, attempt), kMostEvents);
    if (!text) break;
    std::string run;
    bool some = false;
    run::EventReader reader([&](const run::Event& event) {
      if (const auto* begun = std::get_if<run::Begun>(&event.what)) run = begun->run;
      if (const auto* trial = std::get_if<run::TrialEnded>(&event.what)) {
        // What a signal cut off judged nothing.
        const bool cut_off = trial->reason.starts_with("interrupted");
        out.trials += cut_off ? 0 : 1;
        some |= !cut_off;
      }
      if (const auto* ended = std::get_if<run::Ended>(&event.what)) out.error = ended->error;
    });
    reader.feed(*text);
    if (!run.empty() && (some || out.trials == 0)) out.run = run;
  }
  if (const auto text = read_file(names::end(shard, index), kMostWord))
    if (const auto word = last_word_from(*text)) {
      out.node = word->node;
      out.abandoned = word->abandoned;
      if (!word->abandoned) out.exit = word->exit;
    }
  if (!out.exit)
    out.last_words = last_line(read_file(names::out(shard, index), kMostWord).value_or(""));
  return out;
}

Folder::Folder(fs::path folder, std::string program, spec::Courier courier)
    : folder_(std::move(folder)), program_(std::move(program)), courier_(std::move(courier)) {}

Folder::~Folder() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error))
    if (entry.is_directory(error)) return;  // tasks of it may run yet
  fs::remove_all(folder_, error);
}

Result<Shard> Folder::put(const std::vector<const run::Job*>& jobs) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return fail(ErrorKind::environment, folder_.string() + ": " + error.message());
  keep_lease();
  Shard name;
  do name = fmt::format("s{:04}", ++last_);
  while (!fs::create_directory(folder_ / name, error) && !error);
  if (error)
    return fail(ErrorKind::environment, (folder_ / name).string() + ": " + error.message());
  const fs::path shard = folder_ / name;
  const Status written = [&]() -> Status {
    for (int i = 0; i < std::ssize(jobs); ++i) {
      const Fd file = KTRIAL_TRY(open_file(names::job(shard, i), O_WRONLY | O_CREAT | O_EXCL));
      KTRIAL_TRY(write_all(file.get(), run::to_json(*jobs[static_cast<std::size_t>(i)]),
                           names::job(shard, i)));
    }
    KTRIAL_TRY(write_file_atomically(shard / names::kScript, script_of(shard, program_, courier_)));
    return {};
  }();
  if (written) return name;
  drop(name);
  return std::unexpected(written.error());
}

Status Folder::submitted(const Shard& shard, const std::string& array) {
  return write_file_atomically(folder_ / shard / names::kArray, array + "\n");
}

std::vector<int> Folder::ended(const Shard& shard) {
  std::vector<int> out;
  std::set<int>& known = ended_[shard];
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ / shard, error))
    if (const auto index = index_of(entry.path(), ".end");
        index && !known.contains(*index) && came_to_its_end(shard, *index)) {
      known.insert(*index);
      out.push_back(*index);
    }
  return out;
}

// A courier's files grow while they come. A last word that can be read is whole, and so is what
// was sent before it.
bool Folder::came_to_its_end(const Shard& shard, int index) {
  const fs::path place = folder_ / shard, package = names::package(place, index);
  if (!last_word_from(read_file(names::end(place, index), kMostWord).value_or(""))) return false;
  std::error_code error;
  if (!fs::exists(package, error)) return true;
  if (auto taken = take_in(package, place, folder_.parent_path().parent_path()); !taken)
    not_taken_in_.insert_or_assign({shard, index}, std::move(taken).error());
  return true;
}

Told Folder::told(const Task& task) {
  Told out = told_in(folder_ / task.shard, task.index);
  if (const auto found = not_taken_in_.find(task); found != not_taken_in_.end()) {
    out.exit = 128;
    out.error = found->second;
  }
  return out;
}

bool Folder::withdraw(const Task& task) {
  const fs::path shard = folder_ / task.shard;
  std::error_code error;
  fs::rename(names::job(shard, task.index), shard / fmt::format("{}.withdrawn", task.index), error);
  // A courier's task looks at both, in the other order: task.cc.
  return !error && !fs::exists(names::taken(shard, task.index), error);
}

void Folder::drop(const Shard& shard) {
  std::error_code error;
  fs::remove_all(folder_ / shard, error);
  ended_.erase(shard);
  std::erase_if(not_taken_in_, [&](const auto& entry) { return entry.first.shard == shard; });
  std::erase_if(hearings_, [&](const auto& entry) { return entry.first.shard == shard; });
}

void Folder::keep_lease() {
  const fs::path file = folder_ / names::kAlive;
  // The file server's clock: that of the files which it is compared with.
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return;
  const Fd owned(fd);
  (void)::futimens(fd, nullptr);
  // A courier may not keep a file's time.
  if (courier_.used())
    (void)write_all(
        fd,
        fmt::format("{}\n", std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())),
        file);
}

std::vector<Spool::Left> Folder::left() {
  std::vector<Left> out;
  std::error_code error;
  std::vector<fs::path> shards;
  for (const auto& entry : fs::directory_iterator(folder_, error))
    if (entry.is_directory(error)) shards.push_back(entry.path());
  std::ranges::sort(shards);
  for (const fs::path& shard : shards) {
    Left left{
        shard.filename(), std::string(trimmed(read_file(shard / names::kArray).value_or(""))), {}};
    std::map<int, fs::path> jobs;  // a courier's task leaves both
    for (const auto& entry : fs::directory_iterator(shard, error)) {
      auto index = index_of(entry.path(), ".json");
      if (!index) index = index_of(entry.path(), ".taken");
      if (index) jobs.emplace(*index, entry.path());
    }
    for (const auto& [index, file] : jobs) {
      came_to_its_end(left.shard, index);
      const Told told = this->told({left.shard, index});
      if (told.exit || told.abandoned || told.trials > 0) continue;
      if (auto job = run::load_job(file)) left.open.emplace_back(index, *std::move(job));
    }
    out.push_back(std::move(left));
  }
  if (!out.empty()) keep_lease();
  return out;
}

void Folder::hear(const Task& task, const run::Sink& sink) {
  Hearing& hearing = hearings_[task];
  const fs::path shard = folder_ / task.shard;
  for (;;) {
    const fs::path file = names::events(shard, task.index, hearing.attempt);
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    const Fd owned(fd);
    if (!hearing.reader) hearing.reader = std::make_unique<run::EventReader>(sink);
    std::string bytes(64u << 10, '\0');
    for (;;) {
      const ssize_t count =
          ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(hearing.offset));
      if (count <= 0) break;
      hearing.offset += static_cast<std::uint64_t>(count);
      hearing.reader->feed({bytes.data(), static_cast<std::size_t>(count)});
    }
    std::error_code error;
    if (!fs::exists(names::events(shard, task.index, hearing.attempt + 1), error)) return;
    ++hearing.attempt;
    hearing.offset = 0;
    hearing.reader.reset();
  }
}

}  // namespace ktrial::engine::slurm
