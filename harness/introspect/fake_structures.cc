#include "harness/introspect/fake_structures.h"

#include <cstring>
#include <map>

namespace ktrial::introspect {

namespace {

std::string le32(std::uint32_t value) {
  std::string out(4, '\0');
  std::memcpy(out.data(), &value, 4);
  return out;
}

constexpr std::uint64_t kTasks = 0, kPid = 16, kTgid = 20, kComm = 24, kState = 40, kMm = 48,
                        kVforkDone = 56, kSp = 64, kCpu = 72, kSignal = 80, kThreadNode = 88,
                        kTaskSize = 104;
constexpr std::uint32_t kFunction = 256;  // bytes

// struct orc_entry as of 6.4.
std::string orc(int sp_offset, int bp_offset, unsigned sp, unsigned bp, unsigned type) {
  const std::uint32_t offsets = static_cast<std::uint16_t>(sp_offset) |
                                static_cast<std::uint32_t>(static_cast<std::uint16_t>(bp_offset))
                                    << 16;
  const std::uint32_t bits = sp | bp << 4 | type << 8;
  return le32(offsets) + le32(bits).substr(0, 2);
}

}  // namespace

BtfBuilder::BtfBuilder() : strings_(1, '\0') {
  const std::uint32_t name = string("u64");
  for (std::uint32_t value : {name, 1u << 24, 8u, 64u}) word(value);  // an INT
  number_ = next_++;
}

std::uint32_t BtfBuilder::string(const std::string& text) {
  if (text.empty()) return 0;
  const auto at = static_cast<std::uint32_t>(strings_.size());
  strings_ += text + '\0';
  return at;
}

void BtfBuilder::word(std::uint32_t value) { types_ += le32(value); }

std::uint32_t BtfBuilder::add_struct(const std::string& name, std::uint32_t size,
                                     const std::vector<Member>& members) {
  bool bit_fields = false;
  for (const Member& member : members) bit_fields = bit_fields || member.bits != 0;
  word(string(name));
  word(static_cast<std::uint32_t>(members.size()) | 4u << 24 | (bit_fields ? 1u << 31 : 0));
  word(size);
  for (const Member& member : members) {
    word(string(member.name));
    word(member.type != 0 ? member.type : number_);
    word(member.bit | (bit_fields ? member.bits << 24 : 0));
  }
  return next_++;
}

void BtfBuilder::add_enum(const std::string& enumerator, std::uint32_t value) {
  word(0);
  word(1 | 6u << 24);  // an ENUM with one enumerator
  word(4);
  word(string(enumerator));
  word(value);
  ++next_;
}

std::string BtfBuilder::bytes() const {
  const auto types = static_cast<std::uint32_t>(types_.size());
  return le32(0x0001eb9f) + le32(24) + le32(0) + le32(types) + le32(types) +
         le32(static_cast<std::uint32_t>(strings_.size())) + types_ + strings_;
}

FakeStructures::FakeStructures(unsigned sp_number) {
  text = kernel.reserve(4 * kFunction, 4096);
  const char* names[] = {"spin", "caller", "handler", "start"};
  for (int i = 0; i < 4; ++i) symbols.push_back({text + i * kFunction, 't', names[i], ""});
  symbols.push_back({text, 'T', "_stext", ""});
  symbols.push_back({text + 4 * kFunction, 'D', "_etext", ""});
  add_types();
  add_tasks();
  add_orc(sp_number);
}

std::uint64_t FakeStructures::function(const char* name, std::uint64_t offset) const {
  for (const Symbol& symbol : symbols)
    if (symbol.name == name) return symbol.address + offset;
  return 0;
}

void FakeStructures::add_types() {
  BtfBuilder types;
  const auto thread = types.add_struct("thread_struct", 8, {{"sp", 0}});
  const auto info = types.add_struct("thread_info", 8, {{"cpu", 0}});
  const auto anonymous = types.add_struct("", 8, {{"__state", 0}, {"exit_state", 32}});
  types.add_struct("task_struct", kTaskSize,
                   {{"tasks", 8 * kTasks},
                    {"pid", 8 * kPid},
                    {"tgid", 8 * kTgid},
                    {"comm", 8 * kComm},
                    {"", 8 * kState, 0, anonymous},
                    {"mm", 8 * kMm},
                    {"vfork_done", 8 * kVforkDone},
                    {"thread", 8 * kSp, 0, thread},
                    {"thread_info", 8 * kCpu, 0, info},
                    {"signal", 8 * kSignal},
                    {"thread_node", 8 * kThreadNode}});
  types.add_struct("signal_struct", 16, {{"thread_head", 0}});
  types.add_struct("inactive_task_frame", 56, {{"bp", 8 * 40}, {"ret_addr", 8 * 48}});
  types.add_struct("orc_entry", 6,
                   {{"sp_offset", 0, 16},
                    {"bp_offset", 16, 16},
                    {"sp_reg", 32, 4},
                    {"bp_reg", 36, 4},
                    {"type", 40, 3},
                    {"signal", 43, 1}});
  btf = types.bytes();
}

std::uint64_t FakeStructures::add_task(int pid, int tgid, const std::string& comm,
                                       std::uint32_t state) {
  const std::uint64_t task = kernel.reserve(kTaskSize);
  kernel.put(task + kPid, le32(static_cast<std::uint32_t>(pid)));
  kernel.put(task + kTgid, le32(static_cast<std::uint32_t>(tgid)));
  kernel.put(task + kComm, comm);
  kernel.put(task + kState, le32(state));
  kernel.put_word(task + kMm, 0x1000);
  kernel.put(task + kCpu, le32(1));
  return task;
}

// A list_head at `head` through `nodes`.
void FakeStructures::link(std::uint64_t head, const std::vector<std::uint64_t>& nodes) {
  std::uint64_t at = head;
  for (std::uint64_t node : nodes) {
    kernel.put_word(at, node);
    at = node;
  }
  kernel.put_word(at, head);
}

void FakeStructures::add_tasks() {
  const std::uint64_t idle = add_task(0, 0, "swapper/0", 0);
  init_task = add_task(1, 1, "init", 1);
  worker = add_task(2, 1, "worker", 2);
  child = add_task(7, 7, "child", 0x102);
  kernel.put_word(child + kVforkDone, idle);
  link(idle + kTasks, {init_task + kTasks, child + kTasks});
  const std::uint64_t signals = kernel.reserve(32);
  kernel.put_word(init_task + kSignal, signals);
  kernel.put_word(child + kSignal, signals + 16);
  link(signals, {init_task + kThreadNode, worker + kThreadNode});
  link(signals + 16, {child + kThreadNode});
  // CPU 1 runs the worker.
  const std::uint64_t offsets = kernel.reserve(16), area = kernel.reserve(16);
  kernel.put_word(offsets + 8, area);
  kernel.put_word(area + 8, worker);
  symbols.push_back({idle, 'D', "init_task", ""});
  symbols.push_back({offsets, 'D', "__per_cpu_offset", ""});
  symbols.push_back({8, 'A', "current_task", ""});
}

void FakeStructures::add_orc(unsigned sp_number) {
  constexpr unsigned kEnd = 1, kCall = 2, kRegs = 3;
  const std::string entries[] = {orc(8, 0, sp_number, 0, kCall), orc(24, 0, sp_number, 0, kCall),
                                 orc(0, 0, sp_number, 0, kRegs), orc(0, 0, 0, 0, kEnd)};
  const std::uint64_t ips = kernel.reserve(16);
  std::string table;
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t at = ips + 4 * i;
    kernel.put(at, le32(static_cast<std::uint32_t>(text + i * kFunction - at)));
    table += entries[i];
  }
  symbols.push_back({ips, 'D', "__start_orc_unwind_ip", ""});
  symbols.push_back({ips + 16, 'D', "__stop_orc_unwind_ip", ""});
  symbols.push_back({kernel.add(table), 'D', "__start_orc_unwind", ""});
}

std::uint64_t FakeStructures::spin_stack() {
  const std::uint64_t stack = kernel.reserve(4096, 16384);
  kernel.put_word(stack, function("caller", 0x20));
  kernel.put_word(stack + 8 + 16, function("start", 0x30));
  return stack;
}

std::uint64_t FakeStructures::interrupted_stack() {
  const std::uint64_t interrupted = spin_stack();
  const std::uint64_t regs = kernel.reserve(4096, 16384);  // struct pt_regs
  kernel.put_word(regs + 128, function("spin", 0x10));
  kernel.put_word(regs + 136, 0x10);
  kernel.put_word(regs + 152, interrupted);
  return regs;
}

}  // namespace ktrial::introspect
