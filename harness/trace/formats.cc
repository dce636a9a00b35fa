#include "harness/trace/formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace ktrial::trace {
using introspect::KernelView;
using introspect::read_value;

namespace {

constexpr std::size_t kMostEvents = 1u << 14, kMostFields = 128;
constexpr std::size_t kLongestName = 128, kLongestPrint = 16u << 10;

// Where fields are, in bytes.
struct Layout {
  std::uint64_t list, type, name, event_class, print_fmt, flags;  // of trace_event_call
  std::uint64_t system, fields;                                   // of trace_event_class
  std::uint64_t tracepoint_name;
  std::uint64_t link, previous, field_name, field_type, offset, size;  // of ftrace_event_field
  introspect::Btf::Field is_signed;
  std::optional<std::uint64_t> length;  // not in old kernels
  std::uint32_t is_tracepoint;          // the flag's value
};

Result<Layout> layout_of(const introspect::Btf& btf) {
  const char *call = "trace_event_call", *field = "ftrace_event_field";
  Layout out{
      .list = KTRIAL_TRY(btf.offset(call, "list")),
      .type = KTRIAL_TRY(btf.offset(call, "event.type")),
      .name = KTRIAL_TRY(btf.offset(call, "name")),
      .event_class = KTRIAL_TRY(btf.offset(call, "class")),
      .print_fmt = KTRIAL_TRY(btf.offset(call, "print_fmt")),
      .flags = KTRIAL_TRY(btf.offset(call, "flags")),
      .system = KTRIAL_TRY(btf.offset("trace_event_class", "system")),
      .fields = KTRIAL_TRY(btf.offset("trace_event_class", "fields")),
      .tracepoint_name = KTRIAL_TRY(btf.offset("tracepoint", "name")),
      .link = KTRIAL_TRY(btf.offset(field, "link")),
      .previous = KTRIAL_TRY(btf.offset("list_head", "prev")),
      .field_name = KTRIAL_TRY(btf.offset(field, "name")),
      .field_type = KTRIAL_TRY(btf.offset(field, "type")),
      .offset = KTRIAL_TRY(btf.offset(field, "offset")),
      .size = KTRIAL_TRY(btf.offset(field, "size")),
      .is_signed = KTRIAL_TRY(btf.field(field, "is_signed")),
      .is_tracepoint = KTRIAL_TRY(btf.enumerator("TRACE_EVENT_FL_TRACEPOINT")),
  };
  if (auto length = btf.offset(field, "len")) out.length = *length;
  return out;
}

class FormatReader {
 public:
  FormatReader(const KernelView& kernel, const Layout& layout) : kernel_(kernel), at_(layout) {}

  Status run(const std::set<std::uint16_t>& wanted, Formats& out) {
    common_ = KTRIAL_TRY(common_fields());
    const std::uint64_t head = KTRIAL_TRY(kernel_.symbol("ftrace_events"));
    std::uint64_t node = KTRIAL_TRY(word(head));
    for (std::size_t i = 0; node != head; ++i) {
      if (i >= kMostEvents) return fail(ErrorKind::protocol, "the list of trace events has no end");
      const std::uint64_t call = node - at_.list;
      const auto type = KTRIAL_TRY(read_value<std::uint32_t>(kernel_.memory, call + at_.type));
      const auto id = static_cast<std::uint16_t>(type);
      if (type == id && (wanted.empty() || wanted.contains(id))) {
        auto format = read(call, id);
        if (format)
          out.by_id.insert_or_assign(id, std::move(*format));
        else
          out.trouble = fmt::format("event type {}: {}", id, format.error().message);
      }
      node = KTRIAL_TRY(word(node));
    }
    return {};
  }

 private:
  Result<std::uint64_t> word(std::uint64_t address) const {
    return read_value<std::uint64_t>(kernel_.memory, address);
  }
  Result<std::string> string_at(std::uint64_t pointer, std::size_t limit) const {
    const std::uint64_t address = KTRIAL_TRY(word(pointer));
    auto text = KTRIAL_TRY(introspect::read_string(kernel_.memory, address, limit));
    for (char& c : text)
      if ((c < ' ' && c != '\t' && c != '\n') || c == 127) c = '?';
    return text;
  }

  Result<Format> read(std::uint64_t call, std::uint16_t id) const {
    Format out{.id = id};
    out.common = common_;
    const auto flags = KTRIAL_TRY(read_value<std::uint32_t>(kernel_.memory, call + at_.flags));
    std::uint64_t name = call + at_.name;
    if ((flags & at_.is_tracepoint) != 0) name = KTRIAL_TRY(word(name)) + at_.tracepoint_name;
    out.name = KTRIAL_TRY(string_at(name, kLongestName));
    out.print_fmt = KTRIAL_TRY(string_at(call + at_.print_fmt, kLongestPrint));
    const std::uint64_t event_class = KTRIAL_TRY(word(call + at_.event_class));
    out.system = KTRIAL_TRY(string_at(event_class + at_.system, kLongestName));
    out.fields = KTRIAL_TRY(fields_of(event_class + at_.fields));
    return out;
  }

  // The fields that every event begins with: struct trace_entry.
  Result<std::vector<Field>> common_fields() const {
    if (const auto list = kernel_.symbols.address("ftrace_common_fields")) return fields_of(*list);
    std::vector<Field> out;
    const Field entry[] = {{.type = "unsigned short", .name = "type", .size = 2},
                           {.type = "unsigned char", .name = "flags", .size = 1},
                           {.type = "unsigned char", .name = "preempt_count", .size = 1},
                           {.type = "int", .name = "pid", .size = 4, .is_signed = true}};
    for (Field field : entry) {
      field.offset =
          static_cast<std::uint32_t>(KTRIAL_TRY(kernel_.btf.offset("trace_entry", field.name)));
      field.name = "common_" + field.name;
      out.push_back(std::move(field));
    }
    return out;
  }

  // The list is reversed: the last one comes first.
  Result<std::vector<Field>> fields_of(std::uint64_t head) const {
    std::vector<Field> out;
    std::uint64_t node = KTRIAL_TRY(word(head + at_.previous));
    while (node != head) {
      if (out.size() >= kMostFields)
        return fail(ErrorKind::protocol, "a list of fields has no end");
      out.push_back(KTRIAL_TRY(field_at(node - at_.link)));
      node = KTRIAL_TRY(word(node + at_.previous));
    }
    return out;
  }

  Result<Field> field_at(std::uint64_t address) const {
    auto number = [&](std::uint64_t offset) {
      return read_value<std::uint32_t>(kernel_.memory, address + offset);
    };
    Field out;
    out.name = KTRIAL_TRY(string_at(address + at_.field_name, kLongestName));
    out.type = KTRIAL_TRY(string_at(address + at_.field_type, kLongestName));
    out.offset = KTRIAL_TRY(number(at_.offset));
    out.size = KTRIAL_TRY(number(at_.size));
    const std::uint32_t sign = KTRIAL_TRY(number(at_.is_signed.offset)) >> at_.is_signed.bit;
    out.is_signed = (at_.is_signed.bits != 0 ? sign & 1 : sign) != 0;
    if (at_.length) out.length = KTRIAL_TRY(number(*at_.length));
    return out;
  }

  const KernelView& kernel_;
  const Layout& at_;
  std::vector<Field> common_;
};

std::string field_line(const Field& field) {
  std::string declared = field.type + " " + field.name;
  const std::size_t bracket = field.type.find('[');
  if (bracket != std::string::npos && !field.type.starts_with("__data_loc") &&
      !field.type.starts_with("__rel_loc")) {
    const std::string dimension =
        field.length != 0 ? fmt::format("[{}]", field.length) : field.type.substr(bracket);
    declared = field.type.substr(0, bracket) + " " + field.name + dimension;
  }
  return fmt::format("\tfield:{};\toffset:{};\tsize:{};\tsigned:{};\n", declared, field.offset,
                     field.size, field.is_signed ? 1 : 0);
}

bool lies_in(const Event& event, std::uint64_t offset, std::uint64_t size) {
  return offset <= event.data.size() && size <= event.data.size() - offset;
}

// What is between quotes: guest text, made harmless for a terminal.
std::string until_nul(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    if (c == '\0') break;
    out += c >= ' ' && c < 127 ? c : '?';
  }
  return out;
}

// A string whose place is told by 16 bits of offset and 16 of length.
std::optional<std::string> dynamic_text(const Event& event, const Field& field) {
  if (field.size != 4 || !lies_in(event, field.offset, 4)) return std::nullopt;
  std::uint32_t place = 0;
  std::memcpy(&place, event.data.data() + field.offset, 4);
  std::uint64_t at = place & 0xffff;
  const std::uint64_t length = place >> 16;
  if (field.type.starts_with("__rel_loc")) at += field.offset + 4;
  if (!lies_in(event, at, length)) return std::nullopt;
  return until_nul(event.data.subspan(at, length));
}

std::optional<std::int64_t> number_of(const Event& event, const Field& field) {
  if (!lies_in(event, field.offset, field.size)) return std::nullopt;
  std::uint64_t value = 0;
  if (field.size != 1 && field.size != 2 && field.size != 4 && field.size != 8) return std::nullopt;
  std::memcpy(&value, event.data.data() + field.offset, field.size);
  const unsigned unused = 64 - 8 * field.size;
  if (field.is_signed) return static_cast<std::int64_t>(value << unused) >> unused;
  return static_cast<std::int64_t>(value);
}

bool is_dynamic(const Field& field) {
  return field.type.starts_with("__data_loc") || field.type.starts_with("__rel_loc");
}

}  // namespace

const Field* Format::field(std::string_view wanted) const {
  for (const auto* list : {&fields, &common})
    for (const Field& one : *list)
      if (one.name == wanted) return &one;
  return nullptr;
}

std::string Format::text() const {
  std::string out = fmt::format("name: {}\nID: {}\nformat:\n", name, id);
  for (const Field& one : common) out += field_line(one);
  out += "\n";
  for (const Field& one : fields) out += field_line(one);
  return out + "\nprint fmt: " + print_fmt + "\n";
}

const Format* Formats::find(std::uint16_t id) const {
  const auto it = by_id.find(id);
  return it == by_id.end() ? nullptr : &it->second;
}

const Format* Formats::find(std::string_view name) const {
  for (const auto& [id, format] : by_id)
    if (format.name == name) return &format;
  return nullptr;
}

Result<Formats> read_formats(const KernelView& kernel, const std::set<std::uint16_t>& wanted) {
  const Layout layout = KTRIAL_TRY(layout_of(kernel.btf));
  Formats out;
  auto read = FormatReader(kernel, layout).run(wanted, out);
  if (!read && out.by_id.empty()) return std::unexpected(std::move(read).error());
  if (!read) out.trouble = read.error().message;
  return out;
}

std::set<std::uint16_t> types_of(const Rings& rings) {
  std::set<std::uint16_t> out;
  for (const CpuRing& ring : rings.cpus)
    for (const Event& event : ring.events) out.insert(event.type);
  return out;
}

std::optional<std::int64_t> number(const Event& event, const Format& format,
                                   std::string_view name) {
  const Field* field = format.field(name);
  return field == nullptr ? std::nullopt : number_of(event, *field);
}

std::string text(const Event& event, const Format& format, std::string_view name) {
  const Field* field = format.field(name);
  if (field == nullptr) return "";
  if (is_dynamic(*field)) return dynamic_text(event, *field).value_or("");
  if (!lies_in(event, field->offset, field->size)) return "";
  return until_nul(event.data.subspan(field->offset, field->size));
}

std::string plain_fields(const Event& event, const Format& format) {
  std::string out;
  for (const Field& field : format.fields) {
    std::string value;
    if (is_dynamic(field) && field.type.find("char") != std::string::npos)
      value = dynamic_text(event, field).value_or("?");
    else if (field.type.starts_with("char[") && lies_in(event, field.offset, field.size))
      value = until_nul(event.data.subspan(field.offset, field.size));
    else if (const auto plain = number_of(event, field))
      value = field.is_signed ? fmt::format("{}", *plain)
                              : fmt::format("{}", static_cast<std::uint64_t>(*plain));
    else
      value = "?";
    out += (out.empty() ? "" : " ") + field.name + "=" + value;
  }
  return out;
}

}  // namespace ktrial::trace
