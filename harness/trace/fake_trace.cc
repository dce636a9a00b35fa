#include "harness/trace/fake_trace.h"

#include <cstring>

#include "harness/introspect/fake_structures.h"

namespace ktrial::trace {

namespace {

template <class T>
std::string packed(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string name16(int pid) {
  std::string out = pid == 0 ? "swapper" : "task" + std::to_string(pid);
  out.resize(16);
  return out;
}
std::string common(std::uint16_t type, int pid) {
  return packed(type) + std::string(2, '\0') + packed(pid);
}

// Where the fakes keep what: bytes.
constexpr std::uint64_t kClass = 16, kType = 24, kName = 32, kPrint = 40, kFlags = 48, kCall = 56;
constexpr std::uint64_t kSystem = 0, kFields = 8, kClassSize = 24;
constexpr std::uint64_t kNrPages = 0, kPages = 8, kTail = FakeTrace::kTailPage, kReader = 24,
                        kEntries = 32, kOverrun = 40, kDropped = 48, kCommitting = 56, kRead = 64,
                        kNumber = 72, kOwner = 80, kRing = 88;
constexpr std::uint64_t kWrite = 16, kConsumed = 24, kPage = 32, kNode = 40;
constexpr std::uint32_t kTracepoint = 16;

}  // namespace

PageBuilder& PageBuilder::data(std::uint32_t delta, const std::string& bytes) {
  return word(delta << 5 | static_cast<std::uint32_t>(bytes.size() / 4)).raw(bytes);
}
PageBuilder& PageBuilder::long_data(std::uint32_t delta, const std::string& bytes) {
  return word(delta << 5).word(static_cast<std::uint32_t>(bytes.size()) + 4).raw(bytes);
}
PageBuilder& PageBuilder::control(std::uint32_t type, std::uint32_t delta, std::uint32_t more) {
  return word(delta << 5 | type).word(more);
}
PageBuilder& PageBuilder::word(std::uint32_t value) { return raw(packed(value)); }
PageBuilder& PageBuilder::raw(const std::string& bytes) {
  data_ += bytes;
  return *this;
}

std::vector<std::byte> PageBuilder::bytes(std::int64_t commit, std::uint64_t flags) const {
  std::vector<std::byte> out(4096);
  const std::uint64_t committed =
      (commit < 0 ? data_.size() : static_cast<std::uint64_t>(commit)) | flags;
  std::memcpy(out.data(), &ns_, 8);
  std::memcpy(out.data() + 8, &committed, 8);
  std::memcpy(out.data() + 16, data_.data(), data_.size());
  return out;
}

FakeTrace::FakeTrace(bool tells_cpus) {
  add_types(tells_cpus);
  const std::uint64_t trace = reserve(16), cpus = reserve(8);
  buffer = reserve(16);
  rings = reserve(16);
  put64(trace + 8, buffer);
  put32(buffer + 4, tells_cpus ? 2 : 0);
  put64(buffer + 8, rings);
  put32(cpus, 2);
  const std::uint64_t events = reserve(16), commons = reserve(16);
  add_fields(commons, {{"unsigned short", "common_type", 0, 2, 0, 0},
                       {"unsigned char", "common_flags", 2, 1, 0, 0},
                       {"unsigned char", "common_preempt_count", 3, 1, 0, 0},
                       {"int", "common_pid", 4, 4, 1, 0}});
  switch_call = add_event(
      kSwitch, "sched_switch",
      R"("%s:%d %s ==> %s:%d", REC->prev_comm, REC->prev_pid, (REC->prev_state & 0xff) ? )"
      R"(__print_flags(REC->prev_state & 0xff, "|", { 0x1, "S" }, { 0x2, "D" }) : "R", )"
      "REC->next_comm, REC->next_pid",
      {{"char[TASK_COMM_LEN]", "prev_comm", 8, 16, 0, 16},
       {"pid_t", "prev_pid", 24, 4, 1, 0},
       {"int", "prev_prio", 28, 4, 1, 0},
       {"long", "prev_state", 32, 8, 1, 0},
       {"char[TASK_COMM_LEN]", "next_comm", 40, 16, 0, 16},
       {"pid_t", "next_pid", 56, 4, 1, 0},
       {"int", "next_prio", 60, 4, 1, 0}});
  const std::uint64_t fork =
      add_event(kFork, "sched_process_fork", R"("child_pid=%d", REC->child_pid)",
                {{"char[16]", "parent_comm", 8, 16, 0, 16},
                 {"pid_t", "parent_pid", 24, 4, 1, 0},
                 {"char[16]", "child_comm", 28, 16, 0, 16},
                 {"pid_t", "child_pid", 44, 4, 1, 0}});
  link(events, {switch_call, fork});
  symbols = introspect::SymbolTable({{trace, 'D', "global_trace", ""},
                                     {cpus, 'D', "nr_cpu_ids", ""},
                                     {events, 'D', "ftrace_events", ""},
                                     {commons, 'D', "ftrace_common_fields", ""}});
  btf = introspect::Btf::parse(btf_bytes).value();
}

void FakeTrace::add_types(bool tells_cpus) {
  introspect::BtfBuilder types;
  const auto list = types.add_struct("list_head", 16, {{"next", 0}, {"prev", 64}});
  const auto array = types.add_struct("array_buffer", 8, {{"buffer", 0}});
  types.add_struct("trace_array", 16, {{"clock_id", 0}, {"array_buffer", 64, 0, array}});
  types.add_struct("trace_buffer", 16,
                   {{"record_disabled", 0}, {tells_cpus ? "cpus" : "other", 32}, {"buffers", 64}});
  types.add_struct("ring_buffer_per_cpu", kRing,
                   {{"nr_pages", 8 * kNrPages},
                    {"pages", 8 * kPages},
                    {"tail_page", 8 * kTail},
                    {"reader_page", 8 * kReader},
                    {"entries", 8 * kEntries},
                    {"overrun", 8 * kOverrun},
                    {"dropped_events", 8 * kDropped},
                    {"committing", 8 * kCommitting},
                    {"read", 8 * kRead},
                    {"cpu", 8 * kNumber},
                    {"buffer", 8 * kOwner}});
  types.add_struct(
      "buffer_page", kNode,
      {{"list", 0, 0, list}, {"write", 8 * kWrite}, {"read", 8 * kConsumed}, {"page", 8 * kPage}});
  const auto event = types.add_struct("trace_event", 8, {{"type", 0}});
  types.add_struct("trace_event_call", kCall,
                   {{"list", 0, 0, list},
                    {"class", 8 * kClass},
                    {"event", 8 * kType, 0, event},
                    {"name", 8 * kName},
                    {"print_fmt", 8 * kPrint},
                    {"flags", 8 * kFlags}});
  types.add_struct("trace_event_class", kClassSize,
                   {{"system", 8 * kSystem}, {"fields", 8 * kFields, 0, list}});
  types.add_struct("tracepoint", 8, {{"name", 0}});
  types.add_struct("ftrace_event_field", 48,
                   {{"link", 0, 0, list},
                    {"name", 128},
                    {"type", 192},
                    {"offset", 256},
                    {"size", 288},
                    {"is_signed", 320},
                    {"len", 352}});
  types.add_enum("TRACE_EVENT_FL_TRACEPOINT", kTracepoint);
  btf_bytes = types.bytes();
}

std::uint64_t FakeTrace::reserve(std::size_t size) {
  next_ = (next_ + 7) / 8 * 8;
  return std::exchange(next_, next_ + size);
}
std::uint64_t FakeTrace::text(std::string_view content) {
  const std::uint64_t at = reserve(content.size() + 1);
  put(at, content);
  return at;
}
void FakeTrace::put(std::uint64_t address, std::string_view content) {
  std::memcpy(&memory.at(address - kBase), content.data(), content.size());
}
void FakeTrace::put32(std::uint64_t address, std::uint32_t value) { put(address, packed(value)); }
void FakeTrace::put64(std::uint64_t address, std::uint64_t value) { put(address, packed(value)); }

Status FakeTrace::read(std::uint64_t address, std::span<std::byte> out) const {
  if (address < kBase || address - kBase > memory.size() ||
      out.size() > memory.size() - (address - kBase))
    return fail(ErrorKind::protocol, "not mapped");
  std::memcpy(out.data(), memory.data() + (address - kBase), out.size());
  return {};
}

void FakeTrace::link(std::uint64_t head, const std::vector<std::uint64_t>& members) {
  std::uint64_t at = head;
  for (std::uint64_t member : members) {
    put64(at, member);
    put64(member + 8, at);
    at = member;
  }
  put64(at, head);
  put64(head + 8, at);
}

void FakeTrace::add_fields(std::uint64_t head, const std::vector<FieldSpec>& fields) {
  std::vector<std::uint64_t> members;  // the kernel adds each at the front
  for (const FieldSpec& field : fields) {
    const std::uint64_t at = reserve(48);
    put64(at + 16, text(field.name));
    put64(at + 24, text(field.type));
    put(at + 32,
        packed(field.offset) + packed(field.size) + packed(field.is_signed) + packed(field.length));
    members.insert(members.begin(), at);
  }
  link(head, members);
}

std::uint64_t FakeTrace::add_event(std::uint16_t id, const char* name, const char* print,
                                   const std::vector<FieldSpec>& fields) {
  const std::uint64_t call = reserve(kCall), event_class = reserve(kClassSize);
  const std::uint64_t tracepoint = reserve(8);
  put64(tracepoint, text(name));
  put64(event_class + kSystem, text("sched"));
  add_fields(event_class + kFields, fields);
  put64(call + kClass, event_class);
  put32(call + kType, id);
  put64(call + kName, tracepoint);
  put64(call + kPrint, text(print));
  put32(call + kFlags, kTracepoint);
  return call;
}

std::uint64_t FakeTrace::add_page(const PageBuilder& page, std::int64_t commit,
                                  std::uint32_t read) {
  const std::uint64_t node = reserve(kNode), bytes = reserve(4096);
  const auto content = page.bytes(commit);
  put(bytes, {reinterpret_cast<const char*>(content.data()), content.size()});
  put32(node + kWrite, page.size() | 3u << 20);  // with some updates counted
  put32(node + kConsumed, read);
  put64(node + kPage, bytes);
  return node;
}

std::uint64_t FakeTrace::add_ring(const FakeRing& ring) {
  const std::uint64_t at = reserve(kRing);
  nodes.clear();
  for (std::size_t i = 0; i < ring.pages.size(); ++i)
    nodes.push_back(add_page(ring.pages[i], i == ring.tail ? ring.commit : -1, 0));
  const std::uint64_t reader = add_page(ring.reader.value_or(PageBuilder(0)),
                                        ring.reader_is_tail ? ring.commit : -1, ring.consumed);
  const std::size_t count = nodes.size();
  for (std::size_t i = 0; i < count; ++i)
    put64(nodes[i], nodes[(i + 1) % count] | ((i + 1) % count == ring.oldest ? 1 : 0));
  put64(reader, nodes.at(ring.oldest) | 1);
  put64(at + kNrPages, count);
  put64(at + kPages, nodes.at(count / 2));
  put64(at + kTail, ring.reader_is_tail ? reader : nodes.at(ring.tail));
  put64(at + kReader, reader);
  put64(at + kEntries, ring.entries);
  put64(at + kOverrun, ring.overrun);
  put64(at + kRead, ring.read);
  put32(at + kNumber, static_cast<std::uint32_t>(ring.cpu));
  put64(at + kOwner, buffer);
  put64(rings + 8 * ring.cpu, at);
  return at;
}

std::string FakeTrace::switch_event(int from, char state, int to) {
  const std::int64_t bits = state == 'D' ? 2 : state == 'S' ? 1 : 0;
  return common(kSwitch, from) + name16(from) + packed(from) + packed(120) + packed(bits) +
         name16(to) + packed(to) + packed(120);
}
std::string FakeTrace::fork_event(int parent, int child) {
  return common(kFork, parent) + name16(parent) + packed(parent) + name16(child) + packed(child);
}

}  // namespace ktrial::trace
