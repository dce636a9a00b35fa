#include "harness/introspect/fake_hidden.h"

#include <cstring>

namespace ktrial::introspect {

namespace {

constexpr std::uint64_t kFunctionSize = 16;  // bytes
constexpr std::size_t kUnwound = 2 * FakeHidden::kFunctions + 1;
// Where members are; the types say so.
constexpr std::uint64_t kHiddenPid = 16, kHiddenComm = 24, kHiddenTask = 48;  // tasks: 0
constexpr std::uint64_t kModuleList = 8, kModuleName = 24;                    // struct module
constexpr std::uint64_t kBuffer = 16, kBack = 24, kEvents = 32;               // struct trace_array
constexpr std::uint64_t kRings = 8, kRingBack = 8;                       // rings and their buffer
constexpr std::uint64_t kFileCall = 16, kFileSize = 24, kCallSize = 16;  // their list: 0

std::string low_half(std::uint64_t value) {
  std::string out(4, '\0');
  std::memcpy(out.data(), &value, 4);
  return out;
}

}  // namespace

FakeHidden::FakeHidden(std::uint64_t modules) {
  kernel.map_again(modules);
  add_functions();
  add_types();
  add_tasks();
  add_module();
  add_trace();
}

void FakeHidden::add_functions() {
  const std::uint64_t text = kernel.reserve(kFunctions * kFunctionSize, 4096);
  functions.push_back({text, 'T', "_stext", ""});
  for (std::size_t i = 0; i < kFunctions; ++i)
    functions.push_back({text + i * kFunctionSize, 't', "f" + std::to_string(i), ""});
  kernel.reserve(64);
  const std::uint64_t ips = kernel.reserve(4 * kUnwound, 4);
  const std::uint64_t entries = kernel.reserve(6 * kUnwound, 2);
  const std::uint64_t init = kernel.reserve(4096, 4096);  // .init.text lies behind
  functions.push_back({init, 'T', "init_function", ""});
  for (std::size_t i = 0; i < kUnwound; ++i) {
    const std::uint64_t at = ips + 4 * i;
    kernel.put(at, low_half((i + 1 < kUnwound ? text + i * kFunctionSize / 2 : init) - at));
  }
  hide("__start_orc_unwind_ip", ips);
  hide("__stop_orc_unwind_ip", entries);
  hide("__start_orc_unwind", entries);
}

void FakeHidden::add_types() {
  BtfBuilder small, types;
  small.add_struct("of_a_module", 8, {{"x", 0}});
  kernel.add(small.bytes());
  types.add_struct("task_struct", kHiddenTask,
                   {{"tasks", 0}, {"pid", 8 * kHiddenPid}, {"comm", 8 * kHiddenComm}});
  types.add_struct("module", 128, {{"list", 8 * kModuleList}, {"name", 8 * kModuleName}});
  const auto buffer =
      types.add_struct("array_buffer", 16, {{"buffer", 0}, {"tr", 8 * (kBack - kBuffer)}});
  types.add_struct("trace_array", 64,
                   {{"array_buffer", 8 * kBuffer, 0, buffer}, {"events", 8 * kEvents}});
  types.add_struct("trace_buffer", 16, {{"buffers", 8 * kRings}});
  types.add_struct("ring_buffer_per_cpu", 16, {{"buffer", 8 * kRingBack}});
  types.add_struct("trace_event_file", kFileSize, {{"list", 0}, {"event_call", 8 * kFileCall}});
  types.add_struct("trace_event_call", kCallSize, {{"list", 0}});
  const std::string bytes = types.bytes();
  const std::uint64_t at = kernel.add(bytes);
  hide("__start_BTF", at);
  hide("__stop_BTF", at + bytes.size());
}

void FakeHidden::add_tasks() {
  kernel.add(std::string("swapper/0\0 is a name", 20));  // no task
  const std::uint64_t idle = kernel.reserve(kHiddenTask), init = kernel.reserve(kHiddenTask);
  kernel.put(idle + kHiddenComm, "swapper/0");
  kernel.put(init + kHiddenComm, "init");
  kernel.put(init + kHiddenPid, low_half(1));
  link({idle, init});
  hide("init_task", idle);
}

void FakeHidden::add_module() {
  const std::uint64_t head = kernel.reserve(16);
  kernel.put_word(head + kModuleName - kModuleList, ~0ull);  // what follows is no name
  std::vector<std::uint64_t> nodes = {head};
  kernel.reserve(64);
  for (const char* name : {"virtio", "vsock"}) {
    const std::uint64_t module = kernel.reserve(128, 64);
    kernel.put(module + kModuleName, name);
    nodes.push_back(kernel.again(module) + kModuleList);
  }
  link(nodes);
  hide("modules", head);
}

void FakeHidden::add_trace() {
  const std::uint64_t decoy = kernel.reserve(64);
  kernel.put_word(decoy + kBack, decoy);  // leads back, but has no ring
  const std::uint64_t trace = kernel.reserve(64), buffer = kernel.reserve(16),
                      rings = kernel.reserve(8), ring = kernel.reserve(16);
  kernel.put_word(trace + kBack, trace);
  kernel.put_word(trace + kBuffer, buffer);
  kernel.put_word(buffer + kRings, rings);
  kernel.put_word(rings, ring);
  kernel.put_word(ring + kRingBack, buffer);
  const std::uint64_t events = kernel.reserve(16);
  std::vector<std::uint64_t> files = {trace + kEvents}, calls = {events};
  for (int i = 0; i < 3; ++i) {
    files.push_back(kernel.reserve(kFileSize));
    calls.push_back(kernel.reserve(kCallSize));
    kernel.put_word(files.back() + kFileCall, calls.back());
  }
  link(files);
  link(calls);
  hide("global_trace", trace);
  hide("ftrace_events", events);
}

// A list through `nodes`, back to the first.
void FakeHidden::link(const std::vector<std::uint64_t>& nodes) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::uint64_t next = nodes[(i + 1) % nodes.size()];
    kernel.put_word(nodes[i], next);
    kernel.put_word(next + 8, nodes[i]);
  }
}

}  // namespace ktrial::introspect
