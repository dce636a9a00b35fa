#include "harness/trace/collected.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "harness/base/text.h"
#include "harness/trace/ring_page.h"

namespace ktrial::trace {

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kCommonFields = 8;  // type, flags, preempt_count, pid
constexpr std::size_t kMostFieldsOfEvent = 128, kMostSymbols = 1u << 20;

// What follows `key` up to the next `end`.
std::optional<std::string_view> value_after(std::string_view text, std::string_view key, char end) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + key.size());
  return text.substr(0, text.find(end));
}

std::string harmless(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if ((c < ' ' && c != '\t') || c == 127) c = '?';
  return out;
}

// "char comm[16]": the array's part belongs to the type, as in the kernel's own lists.
void set_declaration(std::string_view declared, Field& field) {
  std::string array;
  const bool dynamic = declared.starts_with("__data_loc") || declared.starts_with("__rel_loc");
  if (const std::size_t bracket = declared.find('[');
      !dynamic && bracket != std::string_view::npos) {
    array = declared.substr(bracket);
    declared = declared.substr(0, bracket);
  }
  const std::size_t blank = declared.rfind(' ');
  if (blank == std::string_view::npos) {
    field.name = declared;
    return;
  }
  field.type = std::string(declared.substr(0, blank)) + array;
  field.name = declared.substr(blank + 1);
}

Result<Field> parse_field(std::string_view line) {
  Field out;
  const auto declared = value_after(line, "field:", ';');
  const auto offset = value_after(line, "offset:", ';');
  const auto size = value_after(line, "size:", ';');
  const auto sign = value_after(line, "signed:", ';');
  if (!declared || !offset || !size || !sign)
    return fail(ErrorKind::protocol, "a field without its place: " + harmless(line.substr(0, 100)));
  const auto at = to_number<std::uint32_t>(*offset), bytes = to_number<std::uint32_t>(*size);
  if (!at || !bytes)
    return fail(ErrorKind::protocol, "a field at no number: " + harmless(line.substr(0, 100)));
  set_declaration(harmless(*declared), out);
  out.offset = *at;
  out.size = *bytes;
  out.is_signed = *sign == "1";
  return out;
}

struct Statistics {
  std::uint64_t entries = 0, overrun = 0, dropped = 0, read = 0;
};

Result<Statistics> parse_statistics(std::string_view text) {
  Statistics out;
  const struct {
    std::string_view key;
    std::uint64_t* into;
  } kFields[] = {{"entries", &out.entries},
                 {"overrun", &out.overrun},
                 {"dropped events", &out.dropped},
                 {"read events", &out.read}};
  unsigned found = 0;
  while (const auto line = take_line(text))
    for (const auto& field : kFields) {
      if (!line->starts_with(field.key) || !line->substr(field.key.size()).starts_with(": "))
        continue;
      const auto value = to_number<std::uint64_t>(line->substr(field.key.size() + 2));
      if (!value) return fail(ErrorKind::protocol, "statistics of no numbers");
      *field.into = *value;
      ++found;
    }
  if (found != std::size(kFields))
    return fail(ErrorKind::protocol, "statistics that lack a number");
  return out;
}

class Builder {
 public:
  explicit Builder(const TraceFiles& files) : files_(files) {}

  Result<Collected> run() {
    for (const auto& [name, text] : files_)
      if (name.starts_with("per_cpu/cpu") && name.ends_with("/stats")) add_cpu(name, text);
    if (out_.trace.rings.cpus.empty())
      return fail(ErrorKind::protocol, "the guest sent no statistics of its trace");
    std::ranges::sort(out_.trace.rings.cpus, {}, &CpuRing::cpu);
    add_formats();
    add_symbols();
    add_names();
    learn_names(out_.trace);
    if (const auto clock = value_after(file("trace_clock"), "[", ']'))
      out_.clock = harmless(*clock);
    return std::move(out_);
  }

 private:
  std::string_view file(std::string_view name) const {
    const auto it = files_.find(name);
    return it == files_.end() ? std::string_view() : std::string_view(it->second);
  }

  void add_cpu(std::string_view name, std::string_view stats) {
    const std::string_view folder = name.substr(0, name.rfind('/'));
    const auto cpu = to_number<unsigned>(folder.substr(std::strlen("per_cpu/cpu")));
    if (!cpu || *cpu >= kMaxCpus || out_.trace.rings.cpus.size() >= kMaxCpus) return;
    CpuRing ring;
    ring.cpu = *cpu;
    if (const auto counted = parse_statistics(stats)) {
      // The file's `entries` are those that are still to be read.
      ring.overrun = counted->overrun;
      ring.read = counted->read;
      ring.entries = counted->entries + counted->overrun + counted->read;
      ring.dropped = counted->dropped;
      out_.overwritten += counted->overrun;
      out_.dropped += counted->dropped;
    } else {
      ring.trouble = counted.error().message;
    }
    add_pages(ring, file(std::string(folder) + "/trace_pipe_raw"));
    out_.trace.rings.cpus.push_back(std::move(ring));
  }

  void add_pages(CpuRing& ring, std::string_view raw) {
    out_.bytes += raw.size();
    ring.pages.reserve(raw.size() / kPage);
    for (; raw.size() >= kPage; raw.remove_prefix(kPage)) {
      RingPage page{std::vector<std::byte>(kPage), 0};
      std::memcpy(page.bytes.data(), raw.data(), kPage);
      const auto contents = parse_page(page.bytes);
      if (!contents) {
        ring.trouble = contents.error().message;
        continue;
      }
      if (!contents->trouble.empty()) ring.trouble = contents->trouble;
      for (const PageRecord& record : contents->records) add_event(ring, record);
      ring.pages.push_back(std::move(page));
    }
    if (!raw.empty()) ring.trouble = "its last page is cut";
  }

  void add_event(CpuRing& ring, const PageRecord& record) {
    if (events_ == kMaxEvents) {
      ring.trouble = "more events than are listed: trace.dat has them all";
      return;
    }
    ++events_;
    Event event{.cpu = ring.cpu, .ns = record.ns, .data = record.data};
    if (record.data.size() >= kCommonFields) {
      std::memcpy(&event.type, record.data.data(), sizeof event.type);
      std::memcpy(&event.pid, record.data.data() + 4, sizeof event.pid);
    }
    ring.events.push_back(event);
  }

  void add_formats() {
    const auto wanted = types_of(out_.trace.rings);
    for (const auto& [name, text] : files_) {
      if (!name.starts_with("events/") || !name.ends_with("/format")) continue;
      const std::string_view rest = std::string_view(name).substr(std::strlen("events/"));
      auto format = parse_format(text, rest.substr(0, rest.find('/')));
      if (!format)
        out_.trace.formats.trouble = name + ": " + format.error().message;
      else if (wanted.contains(format->id))
        out_.trace.formats.by_id.insert_or_assign(format->id, std::move(*format));
    }
  }

  void add_symbols() {
    std::string_view text = file("kallsyms");
    if (text.empty()) return;
    std::vector<introspect::Symbol> symbols;
    while (const auto line = take_line(text)) {
      // "ffffffff81000000 T name\t[module]"
      const std::size_t blank = line->find(' ');
      if (blank == std::string_view::npos || blank + 3 >= line->size()) continue;
      const auto address = to_number<std::uint64_t>(line->substr(0, blank), 16);
      if (!address || *address == 0 || symbols.size() >= kMostSymbols) continue;
      const std::string_view name = line->substr(blank + 3);
      const std::size_t tab = name.find('\t');
      std::string module;
      if (const auto inside = value_after(name, "\t[", ']')) module = harmless(*inside);
      symbols.push_back({*address, (*line)[blank + 1], harmless(name.substr(0, tab)), module});
    }
    out_.symbols = std::make_unique<introspect::SymbolTable>(std::move(symbols));
    out_.trace.symbols = out_.symbols.get();
  }

  void add_names() {
    std::string_view text = file("saved_cmdlines");
    while (const auto line = take_line(text)) {
      const std::size_t blank = line->find(' ');
      const auto pid = to_number<int>(line->substr(0, blank));
      if (pid && blank != std::string_view::npos)
        out_.trace.names.insert_or_assign(*pid, std::string(line->substr(blank + 1)));
    }
  }

  const TraceFiles& files_;
  Collected out_;
  std::size_t events_ = 0;
};

}  // namespace

Result<Format> parse_format(std::string_view text, std::string_view system) {
  Format out{.system = harmless(system)};
  bool common = true, has_id = false;
  while (const auto line = take_line(text)) {
    if (line->starts_with("name: ")) out.name = harmless(line->substr(6));
    if (line->starts_with("ID: ")) {
      const auto id = to_number<std::uint16_t>(line->substr(4));
      if (!id) return fail(ErrorKind::protocol, "an event's ID is no number");
      out.id = *id;
      has_id = true;
    }
    if (line->empty() && !out.common.empty()) common = false;
    if (line->starts_with("\tfield:")) {
      auto& list = common ? out.common : out.fields;
      if (list.size() >= kMostFieldsOfEvent) return fail(ErrorKind::protocol, "too many fields");
      list.push_back(KTRIAL_TRY(parse_field(*line)));
    }
    if (line->starts_with("print fmt: ")) {
      out.print_fmt = harmless(line->substr(11));
      break;
    }
  }
  if (!has_id || out.name.empty())
    return fail(ErrorKind::protocol, "an event's format without name and ID");
  return out;
}

Result<Collected> from_tracefs(const TraceFiles& files) { return Builder(files).run(); }

}  // namespace ktrial::trace
