#include "harness/trace/printer.h"

#include <event-parse.h>
#include <fmt/format.h>
#include <trace-seq.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace ktrial::trace {

namespace {

constexpr std::size_t kMostPrint = 16u << 10, kMostDepth = 48;
constexpr std::uint64_t kMostRecord = 64u << 10;

// The library's parser recurses, and it looks at a record wherever a format tells it to.
bool trustworthy(const Format& format) {
  if (format.print_fmt.empty() || format.print_fmt.size() > kMostPrint) return false;
  std::size_t depth = 0, deepest = 0;
  for (const char c : format.print_fmt) {
    if (c == '(' || c == '[' || c == '{' || c == '?' || c == '!' || c == '~' || c == '-')
      deepest = std::max(deepest, ++depth);
    if ((c == ')' || c == ']' || c == '}' || c == ',' || c == ':') && depth > 0) --depth;
  }
  const auto sane = [](const Field& field) {
    return std::uint64_t{field.offset} + field.size <= kMostRecord && !field.name.empty();
  };
  return deepest <= kMostDepth && std::ranges::all_of(format.fields, sane) &&
         std::ranges::all_of(format.common, sane);
}

bool holds_all_fields(const Event& event, const Format& format) {
  return event.data.size() <= kMostRecord &&
         std::ranges::all_of(format.fields, [&](const Field& field) {
           return std::uint64_t{field.offset} + field.size <= event.data.size();
         });
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c < ' ' || c >= 127) c = c == '\n' || c == '\t' ? ' ' : '?';
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

struct Printer::Library {
  Library() {
    tep_set_loglevel(TEP_LOG_NONE);
    if (handle == nullptr) return;
    tep_set_long_size(handle, 8);
    tep_set_page_size(handle, 4096);
    tep_set_file_bigendian(handle, TEP_LITTLE_ENDIAN);
    tep_set_local_bigendian(handle, TEP_LITTLE_ENDIAN);
  }
  ~Library() { tep_free(handle); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // What an address is called, for libtraceevent: it copies the name, and may change it.
  static char* resolve(void* self, unsigned long long* address, char** module) {
    auto& library = *static_cast<Library*>(self);
    const auto place = library.symbols->find(*address);
    if (!place) return nullptr;
    *address = place->symbol->address;
    *module = nullptr;
    library.resolved = place->symbol->name;
    return library.resolved.data();
  }

  const introspect::SymbolTable* symbols = nullptr;
  std::string resolved;
  tep_handle* handle = tep_alloc();
  std::set<std::uint16_t> known;
  // A dynamic field's place is 16 bits of offset, 16 of length: wherever it points,
  // it finds zeroes behind the record.
  std::vector<char> record = std::vector<char>(4 * kMostRecord);
};

Printer::Printer(const Formats& formats, const introspect::SymbolTable* symbols)
    : formats_(formats), library_(std::make_unique<Library>()) {
  if (library_->handle == nullptr) return;
  library_->symbols = symbols;
  if (symbols != nullptr)
    tep_set_function_resolver(library_->handle, Library::resolve, library_.get());
  for (const auto& [id, format] : formats.by_id) {
    if (!trustworthy(format)) continue;
    const std::string text = format.text();
    if (tep_parse_event(library_->handle, text.c_str(), text.size(), format.system.c_str()) == 0)
      library_->known.insert(id);
  }
}

Printer::Printer(Printer&&) noexcept = default;
Printer::~Printer() = default;

std::string Printer::name(const Event& event) const {
  const Format* format = formats_.find(event.type);
  return format == nullptr ? fmt::format("type {}", event.type) : printable(format->name);
}

std::string Printer::print(const Event& event) {
  const Format* format = formats_.find(event.type);
  if (format == nullptr) return fmt::format("({} bytes)", event.data.size());
  if (!library_->known.contains(event.type) || !holds_all_fields(event, *format))
    return printable(plain_fields(event, *format));
  std::memcpy(library_->record.data(), event.data.data(), event.data.size());
  tep_record record{};
  record.ts = event.ns;
  record.cpu = static_cast<int>(event.cpu);
  record.size = record.record_size = static_cast<int>(event.data.size());
  record.data = library_->record.data();
  trace_seq seq;
  trace_seq_init(&seq);
  tep_print_event(library_->handle, &seq, &record, "%s", TEP_PRINT_INFO);
  std::string out = printable({seq.buffer, seq.len});
  trace_seq_destroy(&seq);
  std::memset(library_->record.data(), 0, event.data.size());
  return out;
}

}  // namespace ktrial::trace
