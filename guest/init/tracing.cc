#include "guest/init/tracing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "guest/init/system.h"

namespace ktrial::init {
namespace {

constexpr std::size_t kPage = 4096;        // of the trace's ring: what one read of raw pages gives
constexpr std::size_t kPiece = 8 * kPage;  // of a file, in one message
constexpr std::size_t kMostFiles = 8192;

// 0, or errno.
int write_file(const std::string& path, std::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const ssize_t wrote = write(fd, text.data(), text.size());
  const int error = wrote < 0 ? errno : 0;
  close(fd);
  return error;
}

std::vector<std::string> entries_of(const std::string& path) {
  std::vector<std::string> out;
  DIR* folder = opendir(path.c_str());
  if (!folder) return out;
  while (const dirent* entry = readdir(folder))
    if (entry->d_name[0] != '.' && out.size() < kMostFiles) out.emplace_back(entry->d_name);
  closedir(folder);
  std::sort(out.begin(), out.end());
  return out;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Calls `each` with every line of a file of any length, until it says false.
template <typename Each>
void each_line(const std::string& path, Each each) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  std::string rest;
  char chunk[kPage];
  bool more = true;
  for (ssize_t got = 0; more && (got = read(fd, chunk, sizeof(chunk))) > 0;) {
    rest.append(chunk, static_cast<std::size_t>(got));
    std::size_t begin = 0, end = 0;
    for (; more && (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1)
      more = each(rest.substr(begin, end - begin));
    rest.erase(0, begin);
  }
  close(fd);
}

class Setup {
 public:
  explicit Setup(std::string root) : root_(std::move(root)) {}

  wire::TraceReady run(const wire::TraceSetup& setup) {
    if (access((root_ + "/events").c_str(), F_OK) != 0) {
      refuse("trace", "this kernel has no tracefs with events (CONFIG_TRACING)");
      return std::move(ready_);
    }
    if (!setup.clock.empty()) set_clock(setup.clock);
    for (const auto& [name, filter] : setup.events) set_event(name, filter);
    if (!setup.functions.empty()) set_functions(setup.functions);
    if (!setup.stop.empty()) set_stop(setup.stop);
    return std::move(ready_);
  }

 private:
  void refuse(const std::string& what, const std::string& why) {
    ready_.refused.emplace_back(what, why);
  }

  void set_clock(const std::string& clock) {
    const std::string path = root_ + "/trace_clock";
    const auto is_set = [&] {
      return read_small_file(path).value_or("").find("[" + clock + "]") != std::string::npos;
    };
    if (is_set()) return;
    // It empties the buffer: the command line should have done it.
    if (const int error = write_file(path, clock)) refuse(clock, with_errno("the clock", error));
  }

  // What is on already is left alone: to switch it on patches code.
  void set_event(const std::string& full, const std::string& filter) {
    std::string folder = root_ + "/events/" + full;
    folder.replace(root_.size() + 8 + full.find(':'), 1, "/");
    if (folder.ends_with("/*")) folder.resize(folder.size() - 2);
    const auto enabled = read_small_file(folder + "/enable");
    if (!enabled) return refuse(full, "there is no such event");
    if (!filter.empty())
      if (const int error = write_file(folder + "/filter", filter))
        refuse(full, with_errno("its filter '" + filter + "'", error));
    if (first_line(*enabled) == "1") return;
    if (const int error = write_file(folder + "/enable", "1"))
      refuse(full, with_errno("cannot be enabled", error));
  }

  void set_functions(const std::vector<std::string>& globs) {
    const std::string tracer = first_line(read_small_file(root_ + "/current_tracer").value_or(""));
    if (tracer.empty() || access((root_ + "/set_ftrace_filter").c_str(), F_OK) != 0)
      return refuse("function:" + globs.front(), "this kernel has no function tracer");
    if (tracer != "function") {
      const int error = filter_and_start(globs);
      if (error != 0) return refuse("function:" + globs.front(), with_errno("tracer", error));
    }
    std::set<std::string> left(globs.begin(), globs.end());
    each_line(root_ + "/set_ftrace_filter", [&](const std::string& line) {
      const std::string name = line.substr(0, line.find_first_of(" :"));
      std::erase_if(left, [&](const std::string& glob) {
        return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
      });
      return !left.empty();
    });
    for (const std::string& glob : left)
      refuse("function:" + glob, "no function that can be traced has such a name");
  }

  // Not if nothing matches: an empty filter stands for all functions.
  int filter_and_start(const std::vector<std::string>& globs) {
    int error = ENOENT;
    for (const std::string& glob : globs)
      if (write_file(root_ + "/set_ftrace_filter", glob + "\n") == 0) error = 0;
    return error != 0 ? error : write_file(root_ + "/current_tracer", "function");
  }

  // Documentation/trace/ftrace.rst, "Filter commands". Without an end of line the kernel would
  // look at it on close() only, and tell nobody what is wrong.
  void set_stop(const std::string& function) {
    if (const int error = write_file(root_ + "/set_ftrace_filter", function + ":traceoff\n"))
      refuse(function, error == EINVAL ? "no function that can be traced has this name"
                                       : with_errno("tracing cannot be stopped there", error));
  }

  const std::string root_;
  wire::TraceReady ready_;
};

}  // namespace

wire::TraceReady set_up_tracing(const wire::TraceSetup& setup, const std::string& root) {
  return Setup(root).run(setup);
}

TraceReader::TraceReader(std::string root, std::string symbols)
    : root_(std::move(root)), symbols_(std::move(symbols)) {
  if (const int error = write_file(root_ + "/tracing_on", "0")) {
    problem_ = with_errno("cannot stop tracing", error);
    return;
  }
  wants_symbols_ = first_line(read_small_file(root_ + "/current_tracer").value_or("nop")) != "nop";
  add("trace_clock");
  add_formats();
  add("saved_cmdlines");
  add_cpus();
}

TraceReader::~TraceReader() {
  if (fd_ >= 0) close(fd_);
}

void TraceReader::add(const std::string& name) {
  const bool pages = name.ends_with("/trace_pipe_raw");
  if (files_.size() < kMostFiles) files_.push_back({root_ + "/" + name, name, pages});
}

void TraceReader::add_formats() {
  for (const std::string& name : entries_of(root_ + "/events/ftrace"))
    if (name != "enable" && name != "filter") add("events/ftrace/" + name + "/format");
  each_line(root_ + "/set_event", [&](std::string line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.find('/') != std::string::npos) return true;
    line[colon] = '/';
    add("events/" + line + "/format");
    return true;
  });
}

void TraceReader::add_cpus() {
  const auto cpus = entries_of(root_ + "/per_cpu");
  for (const std::string& cpu : cpus) add("per_cpu/" + cpu + "/stats");
  for (const std::string& cpu : cpus) add("per_cpu/" + cpu + "/trace_pipe_raw");
  for (const std::string& cpu : cpus)
    files_.push_back({root_ + "/per_cpu/" + cpu + "/stats", "after/per_cpu/" + cpu + "/stats"});
}

bool TraceReader::open_next() {
  while (fd_ < 0 && !files_.empty()) {
    fd_ = open(files_.front().path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd_ >= 0) return true;
    if (errno != ENOENT && problem_.empty())
      problem_ = with_errno("cannot open " + files_.front().name, errno);
    files_.pop_front();
  }
  return fd_ >= 0;
}

// Up to kPiece bytes of the open file; it is closed at its end.
std::string TraceReader::read_piece() {
  const File& file = files_.front();
  std::string piece(kPiece, '\0');
  std::size_t size = 0;
  while (size < kPiece) {
    const std::size_t room = file.pages ? kPage : kPiece - size;
    const ssize_t got = read(fd_, piece.data() + size, room);
    if (got < 0 && errno == EINTR) continue;
    // Raw pages never end: there is just no more at the moment.
    if (got < 0 && errno != EAGAIN && problem_.empty())
      problem_ = with_errno("cannot read " + file.name, errno);
    if (got <= 0) {
      close(fd_);
      fd_ = -1;
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  piece.resize(size);
  return piece;
}

std::optional<wire::Message> TraceReader::next() {
  while (open_next()) {
    wire::TraceFile out{files_.front().name, read_piece()};
    if (fd_ < 0) files_.pop_front();
    if (out.name.ends_with("/format") && out.bytes.find("%p") != std::string::npos)
      wants_symbols_ = true;
    if (!out.bytes.empty()) return out;
  }
  if (wants_symbols_) {
    wants_symbols_ = false;
    files_.push_back({symbols_, "kallsyms"});
    return next();
  }
  if (ended_) return std::nullopt;
  ended_ = true;
  return wire::TraceEnd{problem_};
}

}  // namespace ktrial::init
