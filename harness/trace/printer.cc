#include "harness/trace/printer.h"

#include <event-parse.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <trace-seq.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "harness/base/fd.h"
#include "harness/base/file.h"

namespace ktrial::trace {

namespace {

constexpr std::size_t kMostPrint = 16u << 10, kLongestValue = 4096;
constexpr std::uint64_t kMostRecord = 64u << 10;
constexpr std::size_t kMostEventsPrinted = 1u << 18;
constexpr int kMostAttempts = 8;
constexpr unsigned kPatience = 20;  // seconds, for all events

std::string printable(std::string_view text) {
  std::string out(text.substr(0, kLongestValue));
  for (char& c : out)
    if (c < ' ' || c >= 127) c = c == '\n' || c == '\t' ? ' ' : '?';
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

// The library looks at a record wherever a format tells it to.
bool trustworthy(const Format& format) {
  const auto sane = [](const Field& field) {
    return std::uint64_t{field.offset} + field.size <= kMostRecord && !field.name.empty();
  };
  return !format.print_fmt.empty() && format.print_fmt.size() <= kMostPrint &&
         std::ranges::all_of(format.fields, sane) && std::ranges::all_of(format.common, sane);
}

bool holds_all_fields(const Event& event, const Format& format) {
  return event.data.size() <= kMostRecord &&
         std::ranges::all_of(format.fields, [&](const Field& field) {
           return std::uint64_t{field.offset} + field.size <= event.data.size();
         });
}

// libtraceevent, and what it knows.
class Library {
 public:
  explicit Library(const introspect::SymbolTable* symbols)
      : symbols_(symbols), handle_(tep_alloc()) {
    tep_set_loglevel(TEP_LOG_NONE);
    tep_set_long_size(handle_, 8);
    tep_set_page_size(handle_, 4096);
    tep_set_file_bigendian(handle_, TEP_LITTLE_ENDIAN);
    tep_set_local_bigendian(handle_, TEP_LITTLE_ENDIAN);
    if (symbols_ != nullptr) tep_set_function_resolver(handle_, resolve, this);
  }
  ~Library() { tep_free(handle_); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  bool add(const Format& format) {
    const std::string text = format.text();
    return tep_parse_event(handle_, text.c_str(), text.size(), format.system.c_str()) == 0;
  }

  std::string print(const Event& event) {
    std::memcpy(record_.data(), event.data.data(), event.data.size());
    tep_record record{};
    record.ts = event.ns;
    record.cpu = static_cast<int>(event.cpu);
    record.size = record.record_size = static_cast<int>(event.data.size());
    record.data = record_.data();
    trace_seq seq;
    trace_seq_init(&seq);
    tep_print_event(handle_, &seq, &record, "%s", TEP_PRINT_INFO);
    std::string out = printable({seq.buffer, seq.len});
    trace_seq_destroy(&seq);
    std::memset(record_.data(), 0, event.data.size());
    return out;
  }
  // It prints fields, too, of a format that it only half understands: ours look better.
  static bool is_fallback(const std::string& text) { return text.starts_with("[FAILED TO PARSE]"); }

 private:
  // What an address is called; the library copies the name, and may change it.
  static char* resolve(void* self, unsigned long long* address, char** module) {
    auto& library = *static_cast<Library*>(self);
    const auto place = library.symbols_->find(*address);
    if (!place) return nullptr;
    *address = place->symbol->address;
    *module = nullptr;
    library.resolved_ = place->symbol->name;
    return library.resolved_.data();
  }

  const introspect::SymbolTable* symbols_;
  std::string resolved_;
  tep_handle* handle_;
  // A dynamic field's place is 16 bits of offset, 16 of length: wherever it points, it
  // finds zeroes behind the record.
  std::vector<char> record_ = std::vector<char>(4 * kMostRecord);
};

// Shared with the process that prints: what it is at.
struct Progress {
  std::uint16_t type = 0;
};

// In a process of its own: a line for each event, in the order of rings, into `out`.
void print_all(const Trace& trace, const std::set<std::uint16_t>& deadly, Progress& progress,
               int out) {
  Library library(trace.symbols);
  std::set<std::uint16_t> known;
  for (const auto& [id, format] : trace.formats.by_id) {
    if (deadly.contains(id) || !trustworthy(format)) continue;
    progress.type = id;
    if (library.add(format)) known.insert(id);
  }
  std::string lines;
  for (const CpuRing& ring : trace.rings.cpus)
    for (const Event& event : ring.events) {
      progress.type = event.type;
      std::string text;
      if (known.contains(event.type) && holds_all_fields(event, trace.formats.by_id.at(event.type)))
        text = library.print(event);
      else
        text = event_text(trace, event);
      lines += (Library::is_fallback(text) ? event_text(trace, event) : text) + "\n";
      if (lines.size() < kMostRecord) continue;
      if (!write_all(out, lines)) ::_exit(1);
      lines.clear();
    }
  ::_exit(write_all(out, lines) ? 0 : 1);
}

// True: all lines are in `out`. False: it died at progress.type, or took too long.
bool print_elsewhere(const Trace& trace, const std::set<std::uint16_t>& deadly, Progress& progress,
                     int out) {
  const pid_t parent = ::getpid(), pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    // It dies quietly, and a signal for us is none for it.
    for (int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGALRM, SIGINT, SIGTERM})
      ::signal(number, SIG_DFL);
    ::alarm(kPatience);
    print_all(trace, deadly, progress, out);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Result<std::string> lines_of(const Trace& trace, Progress& progress) {
  std::set<std::uint16_t> deadly;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    const Fd out(::memfd_create("ktrial-events", MFD_CLOEXEC));
    if (!out) return fail_errno("memfd_create", errno);
    if (!print_elsewhere(trace, deadly, progress, out.get())) {
      deadly.insert(progress.type);
      continue;
    }
    struct stat info{};
    if (::fstat(out.get(), &info) != 0) return fail_errno("fstat", errno);
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    std::size_t at = 0;
    while (at < text.size()) {
      const ssize_t n = ::pread(out.get(), &text[at], text.size() - at, static_cast<off_t>(at));
      if (n <= 0) return fail_errno("read the events' text", errno);
      at += static_cast<std::size_t>(n);
    }
    return text;
  }
  return fail(ErrorKind::protocol, "these formats cannot be printed");
}

}  // namespace

void print_events(Trace& trace) {
  if (trace.count() == 0 || trace.count() > kMostEventsPrinted) return;
  void* shared =
      ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return;
  const auto text = lines_of(trace, *new (shared) Progress);
  ::munmap(shared, sizeof(Progress));
  if (!text || static_cast<std::size_t>(std::ranges::count(*text, '\n')) != trace.count()) return;
  std::size_t at = 0;
  for (const CpuRing& ring : trace.rings.cpus)
    for (const Event& event : ring.events) {
      const std::size_t end = text->find('\n', at);
      trace.texts.emplace(&event, text->substr(at, end - at));
      at = end + 1;
    }
}

std::string event_name(const Trace& trace, const Event& event) {
  const Format* format = trace.formats.find(event.type);
  return format == nullptr ? fmt::format("type {}", event.type) : printable(format->name);
}

std::string event_text(const Trace& trace, const Event& event) {
  if (auto it = trace.texts.find(&event); it != trace.texts.end()) return it->second;
  const Format* format = trace.formats.find(event.type);
  if (format == nullptr) return fmt::format("({} bytes)", event.data.size());
  return printable(plain_fields(event, *format));
}

}  // namespace ktrial::trace
