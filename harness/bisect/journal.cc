#include "harness/bisect/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "harness/base/file.h"

namespace ktrial::bisect {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr const char* kSession = "session.json";
constexpr const char* kLog = "bisect.log";

LogHeader header_of(const Engine& engine) {
  const CommitGraph& graph = engine.graph();
  return {.old_ends = {graph.id(graph.old_end())},
          .new_end = graph.id(graph.new_end()),
          .settings = engine.settings(),
          .graph_hash = graph.hash(),
          .prior_hash = prior_hash(engine.settings().weights)};
}

Result<json> read_session(const fs::path& folder) {
  const fs::path file = folder / kSession;
  std::error_code error;
  if (!fs::exists(file, error))
    return usage_error(folder.string() + " holds no bisection: there is no " + kSession,
                       "`ktrial bisect --resume last` goes on with the latest");
  json session = json::parse(KTRIAL_TRY(read_file(file)), nullptr, false);
  if (!session.is_object() || !session["argv"].is_array())
    return usage_error(file.string() + ": argv: not a bisection's record");
  for (const json& word : session["argv"])
    if (!word.is_string()) return usage_error(file.string() + ": argv: not a list of strings");
  return session;
}

}  // namespace

Result<Journal> Journal::create(const fs::path& folder, const std::vector<std::string>& argv,
                                const Engine& engine, Wanted wanted) {
  std::error_code error;
  if (fs::exists(folder / kSession, error))
    return usage_error(folder.string() + " holds a bisection already",
                       "go on with it: ktrial bisect --resume " + folder.string());
  fs::create_directories(folder, error);
  if (error) return fail_errno("create " + folder.string(), error.value());
  Journal journal;
  journal.folder_ = folder;
  journal.argv_ = argv;
  journal.wanted_ = std::move(wanted);
  // The log first: a folder with a session.json is whole.
  KTRIAL_TRY(write_file_atomically(folder / kLog, print_header(header_of(engine))));
  KTRIAL_TRY(journal.write_session());
  KTRIAL_TRY(journal.open_log());
  return journal;
}

Result<Journal> Journal::open(const fs::path& folder, const Engine& engine) {
  const json session = KTRIAL_TRY(read_session(folder));
  Journal journal;
  journal.folder_ = folder;
  journal.argv_ = session["argv"].get<std::vector<std::string>>();
  if (session.contains("wanted") && session["wanted"].is_object())
    journal.wanted_ = {session["wanted"].value("signature", ""),
                       session["wanted"].value("title", "")};
  const fs::path file = folder / kLog;
  const std::string text = KTRIAL_TRY(read_file(file));
  Log log = KTRIAL_TRY(parse_log(text, file.string()));
  if (print_header(log.header) != print_header(header_of(engine)))
    return usage_error(file.string() +
                           ": the log of another bisection: its ends, the commits "
                           "between them or its settings are others",
                       "give the command line that began it, or another --state folder");
  journal.past_ = std::move(log.events);
  // What a dying process wrote half of must not grow together with the next line.
  if (log.valid_bytes != text.size()) {
    std::error_code error;
    fs::resize_file(file, log.valid_bytes, error);
    if (error) return fail_errno("truncate " + file.string(), error.value());
  }
  KTRIAL_TRY(journal.open_log());
  return journal;
}

Result<std::vector<std::string>> Journal::command_line(const fs::path& folder) {
  return KTRIAL_TRY(read_session(folder))["argv"].get<std::vector<std::string>>();
}

Status Journal::open_log() {
  log_ = KTRIAL_TRY(open_file(folder_ / kLog, O_WRONLY | O_APPEND | O_CLOEXEC));
  return {};
}

Status Journal::write_session() const {
  const json session{{"argv", argv_},
                     {"wanted", {{"signature", wanted_.signature}, {"title", wanted_.title}}}};
  return write_file(kSession, session.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

Status Journal::set_wanted(Wanted wanted) {
  wanted_ = std::move(wanted);
  return write_session();
}

Status Journal::append(const Event& event) {
  KTRIAL_TRY(write_all(log_.get(), print_event(event), folder_ / kLog));
  if (::fdatasync(log_.get()) != 0) return fail_errno("sync " + (folder_ / kLog).string(), errno);
  return {};
}

Status Journal::write_file(const std::string& name, std::string_view text) const {
  return write_file_atomically(folder_ / name, text);
}

}  // namespace ktrial::bisect
