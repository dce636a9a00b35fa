// What the kernel's trace events look like: their fields and how to print them.
//
// Read from the list of events in the kernel's memory (kernel/trace/trace_events.c:
// ftrace_events), which is what tracefs makes events/SYSTEM/EVENT/format from.
// All of it comes from a guest: offsets are checked against each record.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/introspect/kernel_view.h"
#include "harness/trace/rings.h"

namespace ktrial::trace {

struct Field {
  std::string type;  // as declared, without the name: "char[16]"
  std::string name;
  std::uint32_t offset = 0, size = 0;  // bytes, in the record
  bool is_signed = false;
  std::uint32_t length = 0;  // of an array, elements; 0: none, or unknown
};

struct Format {
  std::uint16_t id = 0;
  std::string system, name, print_fmt;
  std::vector<Field> common, fields;

  const Field* field(std::string_view name) const;
  // As tracefs's file `format` says it.
  std::string text() const;
};

struct Formats {
  std::map<std::uint16_t, Format> by_id;
  std::string trouble;  // not empty: some are missing, and why

  const Format* find(std::uint16_t id) const;
  const Format* find(std::string_view name) const;
};

// Of the events in `wanted` only; empty: of all.
Result<Formats> read_formats(const introspect::KernelView& kernel,
                             const std::set<std::uint16_t>& wanted);

// The ids that occur.
std::set<std::uint16_t> types_of(const Rings& rings);

// A field of an event; nothing when it does not lie in the record, or is no number.
std::optional<std::int64_t> number(const Event& event, const Format& format,
                                   std::string_view field);
// Of an array of characters, a pointer-free string: up to its NUL; else empty.
std::string text(const Event& event, const Format& format, std::string_view field);
// Every field as NAME=VALUE: for formats that say no better.
std::string plain_fields(const Event& event, const Format& format);

}  // namespace ktrial::trace
