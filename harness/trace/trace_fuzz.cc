// Rings, formats and types with a few bytes changed: reading and writing them ends, within
// bounds, whatever is changed. (Not libtraceevent: it works in a process of its own.)
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/trace/fake_trace.h"
#include "harness/trace/slice.h"
#include "harness/trace/writers.h"

namespace {

using namespace ktrial::trace;

FakeTrace make() {
  FakeTrace fake;
  PageBuilder first(1000), second(1500), third(2000);
  first.data(0, FakeTrace::fork_event(1, 2)).data(100, FakeTrace::switch_event(1, 'D', 0));
  second.data(0, FakeTrace::switch_event(0, 'R', 3)).control(30, 3, 1);
  third.control(31, 5000, 0).long_data(9, FakeTrace::switch_event(3, 'S', 4)).control(29, 1, 4);
  fake.add_ring({.cpu = 0,
                 .pages = {first, second},
                 .reader = third,
                 .tail = 1,
                 .consumed = 8,
                 .entries = 5,
                 .read = 1});
  fake.add_ring({.cpu = 1, .pages = {third, first}, .oldest = 1, .tail = 0, .commit = 8});
  return fake;
}

void check(bool ok, int line = __builtin_LINE()) {
  if (ok) return;
  std::fprintf(stderr, "invariant of line %d\n", line);
  std::abort();
}

}  // namespace

// Each change: where (three bytes; the highest bit: in the types) and what (eight).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FakeTrace fake = make();
  for (; size >= 11; data += 11, size -= 11) {
    const std::size_t at = data[0] | data[1] << 8 | (data[2] & 0x7f) << 16;
    if (data[2] & 0x80)
      std::memcpy(&fake.btf_bytes[at % (fake.btf_bytes.size() - 8)], data + 3, 8);
    else
      std::memcpy(&fake.memory[at % (fake.memory.size() - 8)], data + 3, 8);
  }
  auto btf = ktrial::introspect::Btf::parse(fake.btf_bytes);
  if (!btf) return 0;
  fake.btf = std::move(*btf);
  const auto trace = read_trace(fake.view());
  if (!trace) return 0;
  check(trace->count() <= kMaxEvents);
  check(trace->by_time().size() == trace->count());
  const std::string text = to_text(*trace);
  std::size_t lines = 0;
  for (char c : text) {
    check(c == '\n' || (c >= ' ' && c < 127));
    lines += c == '\n';
  }
  check(lines >= trace->count());
  check(trace->count() == 0 || end_us(text).has_value());
  check(to_trace_dat(*trace).size() >= 500);
  check(to_perfetto_json(*trace, {}).ends_with("]}\n"));
  return 0;
}
