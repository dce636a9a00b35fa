#include "results/store/index.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>

#include "harness/base/file.h"
#include "harness/base/host_files.h"

namespace ktrial::results {
namespace fs = std::filesystem;
namespace {

constexpr int kVersion = 1;
constexpr char kTables[] =
    "CREATE TABLE IF NOT EXISTS runs ("
    " id TEXT PRIMARY KEY, state TEXT NOT NULL, outcome TEXT NOT NULL, title TEXT NOT NULL,"
    " signature TEXT NOT NULL, kernel TEXT NOT NULL, workload TEXT NOT NULL,"
    " started_at TEXT NOT NULL, passed INTEGER NOT NULL, failed INTEGER NOT NULL,"
    " inconclusive INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS by_signature ON runs(signature);"
    "PRAGMA user_version=1;";
static_assert(kVersion == 1, "the tables name it too");

// A prepared statement; finalized on scope exit.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    if (sqlite3_prepare_v2(db, sql, -1, &handle_, nullptr) != SQLITE_OK) handle_ = nullptr;
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement() { sqlite3_finalize(handle_); }
  explicit operator bool() const { return handle_ != nullptr; }

  void bind(int n, const std::string& text) {
    sqlite3_bind_text(handle_, n, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
  void bind(int n, std::string_view text) { bind(n, std::string(text)); }
  void bind(int n, std::int64_t value) { sqlite3_bind_int64(handle_, n, value); }
  int step() { return sqlite3_step(handle_); }
  void reset() { sqlite3_reset(handle_); }
  std::string text(int column) const {
    auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
    return bytes ? std::string(bytes) : std::string();
  }
  std::int64_t number(int column) const { return sqlite3_column_int64(handle_, column); }

 private:
  sqlite3_stmt* handle_ = nullptr;
};

bool is_sound(sqlite3* db) {
  {
    Statement version(db, "PRAGMA user_version");
    if (!version || version.step() != SQLITE_ROW) return false;
    if (auto v = version.number(0); v != 0 && v != kVersion) return false;
  }
  Statement check(db, "PRAGMA quick_check(1)");
  return check && check.step() == SQLITE_ROW && check.text(0) == "ok";
}

void remove_files(const fs::path& file) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"})
    fs::remove(file.string() + suffix, ignored);
}

// One process at a time replaces the index; the others then find a sound one.
Fd lock_beside(const fs::path& file) {
  auto lock = open_file(file.string() + ".lock", O_RDWR | O_CREAT);
  if (!lock || ::flock(lock->get(), LOCK_EX) != 0) return Fd();
  return std::move(*lock);
}

}  // namespace

std::shared_ptr<Index> Index::open(const fs::path& file) {
  std::shared_ptr<Index> index(new Index(file));
  if (index->connect() || index->recreate()) return index;
  return nullptr;
}

Index::~Index() { sqlite3_close(db_); }

bool Index::run(const char* sql) {
  return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

bool Index::connect() {
  if (sqlite3_open_v2(file_.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr) !=
      SQLITE_OK)
    return false;
  sqlite3_busy_timeout(db_, 10'000);
  if (!is_sound(db_)) return false;
  // WAL needs memory that its users share, so all of them on one host: on a network's file
  // system the rollback journal, which needs no more than locks. NORMAL: a power cut may
  // lose the last rows, which the files bring back.
  const bool wal = is_own_folder(file_);
  run(wal ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=DELETE");
  run("PRAGMA synchronous=NORMAL");
  return run(kTables);
}

bool Index::recreate() {
  std::lock_guard lock(mutex_);
  // Busy is not broken: somebody else is writing, and the files are there to be read.
  if (const int code = sqlite3_errcode(db_); code == SQLITE_BUSY || code == SQLITE_LOCKED)
    return false;
  sqlite3_close(db_);
  db_ = nullptr;
  const Fd only_we = lock_beside(file_);
  if (!only_we) return false;
  if (connect()) return true;  // somebody was here before us
  sqlite3_close(db_);
  db_ = nullptr;
  remove_files(file_);
  return connect();
}

bool Index::put(const std::vector<RunSummary>& runs) {
  std::lock_guard lock(mutex_);
  if (runs.empty()) return true;
  if (!run("BEGIN IMMEDIATE")) return false;
  bool good = true;
  {
    Statement insert(db_, "INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?)");
    good = static_cast<bool>(insert);
    for (std::size_t i = 0; good && i < runs.size(); ++i) {
      const RunSummary& r = runs[i];
      int n = 0;
      for (const std::string& text :
           {r.id, std::string(name(r.state)), std::string(name(r.outcome)), r.title, r.signature,
            r.kernel, r.workload, r.started_at})
        insert.bind(++n, text);
      for (int value : {r.passed, r.failed, r.inconclusive})
        insert.bind(++n, static_cast<std::int64_t>(value));
      good = insert.step() == SQLITE_DONE;
      insert.reset();
    }
  }
  if (good && run("COMMIT")) return true;
  run("ROLLBACK");
  return false;
}

bool Index::remove(const std::vector<std::string>& ids) {
  std::lock_guard lock(mutex_);
  Statement erase(db_, "DELETE FROM runs WHERE id=?");
  if (!erase) return false;
  for (const std::string& id : ids) {
    erase.bind(1, id);
    if (erase.step() != SQLITE_DONE) return false;
    erase.reset();
  }
  return true;
}

std::optional<std::map<std::string, RunState>> Index::states() {
  std::lock_guard lock(mutex_);
  Statement select(db_, "SELECT id, state FROM runs");
  if (!select) return std::nullopt;
  std::map<std::string, RunState> out;
  int step;
  while ((step = select.step()) == SQLITE_ROW)
    out.emplace(select.text(0), parse_run_state(select.text(1)).value_or(RunState::running));
  if (step != SQLITE_DONE) return std::nullopt;
  return out;
}

std::optional<std::vector<RunSummary>> Index::list(std::size_t limit) {
  std::lock_guard lock(mutex_);
  Statement select(db_,
                   "SELECT id, state, outcome, title, signature, kernel, workload, started_at,"
                   " passed, failed, inconclusive FROM runs ORDER BY id DESC LIMIT ?");
  if (!select) return std::nullopt;
  select.bind(1, limit == 0 ? std::int64_t{-1} : static_cast<std::int64_t>(limit));
  std::vector<RunSummary> out;
  int step;
  while ((step = select.step()) == SQLITE_ROW) {
    auto state = parse_run_state(select.text(1));
    auto outcome = parse_outcome(select.text(2));
    if (!state || !outcome) return std::nullopt;
    out.push_back({select.text(0), *state, *outcome, select.text(3), select.text(4), select.text(5),
                   select.text(6), select.text(7), static_cast<int>(select.number(8)),
                   static_cast<int>(select.number(9)), static_cast<int>(select.number(10))});
  }
  if (step != SQLITE_DONE) return std::nullopt;
  return out;
}

}  // namespace ktrial::results
