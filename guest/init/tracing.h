// tracefs on the host's behalf: what is to be traced, and what was.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "guest/wire/wire.h"

namespace ktrial::init {

inline constexpr char kTracefs[] = "/sys/kernel/tracing";

// Most of it the kernel's command line has set already; this sets what it could not, and
// looks whether all is as asked. `root`: where tracefs is, elsewhere for tests.
wire::TraceReady set_up_tracing(const wire::TraceSetup& setup, const std::string& root = kTracefs);

// Stops tracing and reads what was traced, piece by piece, so that whoever sends it can
// heed a slow host: formats of the events that are on, names of tasks, for each CPU its
// statistics, its raw pages, and its statistics once more. Symbols, where events hold addresses.
class TraceReader {
 public:
  explicit TraceReader(std::string root = kTracefs, std::string symbols = "/proc/kallsyms");
  ~TraceReader();
  TraceReader(const TraceReader&) = delete;
  TraceReader& operator=(const TraceReader&) = delete;

  // The next piece; TraceEnd is the last one, nothing comes after it.
  std::optional<wire::Message> next();

 private:
  struct File {
    std::string path, name;
    bool pages = false;  // raw pages: whole ones only
  };
  void add(const std::string& name);
  void add_formats();
  void add_cpus();
  // True: the next file is open. False: none is left.
  bool open_next();
  std::string read_piece();

  const std::string root_, symbols_;
  std::deque<File> files_;
  int fd_ = -1;
  std::string problem_;
  bool wants_symbols_ = false, ended_ = false;
};

}  // namespace ktrial::init
