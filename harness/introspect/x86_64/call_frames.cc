#include "harness/introspect/x86_64/call_frames.h"

#include <optional>

namespace ktrial::introspect::x86_64 {

namespace {

// DWARF's numbers: of registers (the psABI, figure 3.36), instructions and operations.
constexpr std::uint8_t kRax = 0, kRdx = 1, kRdi = 5, kRbp = 6, kRsp = 7, kR10 = 10, kR13 = 13,
                       kReturn = 16;
enum Instruction : std::uint8_t {
  advance_loc4 = 0x04,
  undefined_rule = 0x07,
  same_value = 0x08,
  def_cfa_expression = 0x0f,
  expression = 0x10,
  offset_sf = 0x11,
  def_cfa_sf = 0x12,
  offset_rule = 0x80,
};
enum Operation : std::uint8_t { deref = 0x06, consts = 0x11, plus = 0x22, breg0 = 0x70 };
constexpr std::int64_t kFactor = -8;  // of offsets
constexpr int kRows = 64;             // of one description: what a debugger goes through at most

// struct pt_regs (arch/x86/include/asm/ptrace.h), from r15 on: the number of what lies there.
constexpr std::uint8_t kPtRegs[] = {15, 14, 13, 12, 6, 3, 11, 10, 9, 8, 0, 2, 1, 4, 5};
constexpr std::int64_t kIpInRegs = 128, kSpBehindIp = 24;

void byte(std::string& out, unsigned value) { out.push_back(static_cast<char>(value)); }
void number(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) byte(out, static_cast<unsigned>(value >> 8 * i & 0xff));
}
void uleb(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) byte(out, static_cast<unsigned>(value & 0x7f) | 0x80);
  byte(out, static_cast<unsigned>(value));
}
void sleb(std::string& out, std::int64_t value) {
  for (; value < -64 || value >= 64; value >>= 7) byte(out, (value & 0x7f) | 0x80);
  byte(out, value & 0x7f);
}
void block(std::string& out, const std::string& operations) {
  uleb(out, operations.size());
  out += operations;
}

// A record: its length, and padding to 8 bytes.
void record(std::string& out, std::string body) {
  while ((body.size() + 4) % 8 != 0) byte(body, 0);  // DW_CFA_nop
  number(out, body.size(), 4);
  out += body;
}

std::string common(const char* augmentation) {
  std::string body;
  number(body, 0xffffffff, 4);
  byte(body, 3);  // version
  body += augmentation;
  byte(body, 0);
  uleb(body, 1);
  sleb(body, kFactor);
  uleb(body, kReturn);
  std::string out;
  record(out, std::move(body));
  return out;
}

std::optional<std::uint8_t> plain_register(OrcRegister which) {
  switch (which) {
    case OrcRegister::sp:
      return kRsp;
    case OrcRegister::bp:
      return kRbp;
    case OrcRegister::ax:
      return kRax;
    case OrcRegister::dx:
      return kRdx;
    case OrcRegister::di:
      return kRdi;
    case OrcRegister::r10:
      return kR10;
    case OrcRegister::r13:
      return kR13;
    default:
      return std::nullopt;
  }
}

// Pushes what ORC calls the frame, plus `more`. Empty: it is none.
std::string frame(const OrcEntry& entry, std::int64_t more) {
  std::string out;
  const auto add = [&](std::int64_t what) {
    byte(out, consts);
    sleb(out, what);
    byte(out, plus);
  };
  if (const auto plain = plain_register(entry.sp_register)) {
    byte(out, breg0 + *plain);
    sleb(out, entry.sp_offset + more);
  } else if (entry.sp_register == OrcRegister::sp_indirect) {
    byte(out, breg0 + kRsp);
    sleb(out, 0);
    byte(out, deref);
    add(entry.sp_offset + more);
  } else if (entry.sp_register == OrcRegister::bp_indirect) {
    byte(out, breg0 + kRbp);
    sleb(out, entry.sp_offset);
    byte(out, deref);
    if (more != 0) add(more);
  }
  return out;
}

void saved_at(std::string& out, std::uint8_t which, const std::string& where) {
  byte(out, expression);
  uleb(out, which);
  block(out, where);
}

std::string call_row(const OrcEntry& entry) {
  std::string out;
  if (const auto plain = plain_register(entry.sp_register);
      plain && entry.sp_offset % kFactor == 0) {
    byte(out, def_cfa_sf);
    uleb(out, *plain);
    sleb(out, entry.sp_offset / kFactor);
  } else {
    byte(out, def_cfa_expression);
    block(out, frame(entry, 0));
  }
  byte(out, offset_rule + kReturn);
  uleb(out, 1);
  if (entry.bp_register == OrcRegister::prev_sp && entry.bp_offset % kFactor == 0) {
    byte(out, offset_sf);
    uleb(out, kRbp);
    sleb(out, entry.bp_offset / kFactor);
  } else if (entry.bp_register == OrcRegister::bp) {
    std::string where;
    byte(where, breg0 + kRbp);
    sleb(where, entry.bp_offset);
    saved_at(out, kRbp, where);
  } else {
    byte(out, same_value);
    uleb(out, kRbp);
  }
  return out;
}

// An interrupt's or an exception's frame, with all registers or its own five words alone.
std::string regs_row(const OrcEntry& entry) {
  const bool all = entry.type == OrcType::regs;
  const std::int64_t ip = all ? kIpInRegs : 0;
  std::string out, sp = frame(entry, ip + kSpBehindIp);
  byte(sp, deref);
  byte(out, def_cfa_expression);
  block(out, sp);
  saved_at(out, kReturn, frame(entry, ip));
  if (all)
    for (std::size_t i = 0; i < std::size(kPtRegs); ++i)
      saved_at(out, kPtRegs[i], frame(entry, static_cast<std::int64_t>(8 * i)));
  return out;
}

// The outermost frame, or one of which nothing is known.
std::string last_row() {
  std::string out;
  byte(out, def_cfa_sf);
  uleb(out, kRsp);
  sleb(out, -1);
  byte(out, undefined_rule);
  uleb(out, kReturn);
  return out;
}

const std::string kCall = common(""), kSignal = common("S");

// A description: from which of the two common parts, what it covers, its program.
void describe(std::string& out, bool signal, std::uint64_t begin, std::uint64_t end,
              const std::string& program) {
  std::string body;
  number(body, signal ? kCall.size() : 0, 4);
  number(body, begin, 8);
  number(body, end - begin, 8);
  body += program;
  record(out, std::move(body));
}

}  // namespace

CallFrames::CallFrames() : out_(kCall + kSignal) {}

void CallFrames::finish() {
  if (rows_ > 0) describe(out_, false, begin_, end_, program_);
  program_.clear();
  rows_ = 0;
}

void CallFrames::add(std::uint64_t begin, std::uint64_t end, const OrcEntry& entry) {
  const bool framed = !frame(entry, 0).empty();
  if (entry.type != OrcType::call || !framed) {
    finish();
    const bool interrupted = framed && entry.type != OrcType::call && entry.type != OrcType::end &&
                             entry.type != OrcType::undefined;
    describe(out_, interrupted, begin, end, interrupted ? regs_row(entry) : last_row());
    return;
  }
  if (rows_ == kRows || (rows_ > 0 && begin != end_)) finish();
  if (rows_ == 0) {
    begin_ = begin;
  } else {
    byte(program_, advance_loc4);
    number(program_, begin - last_, 4);
  }
  last_ = begin;
  program_ += call_row(entry);
  end_ = end;
  ++rows_;
}

std::string CallFrames::take() {
  finish();
  return std::move(out_);
}

Result<std::string> call_frames(const KernelView& kernel, const std::vector<Module>& modules) {
  const OrcTables orc = KTRIAL_TRY(OrcTables::open(kernel, modules));
  CallFrames frames;
  KTRIAL_TRY(orc.each(kernel, [&](std::uint64_t begin, std::uint64_t end, const OrcEntry& entry) {
    frames.add(begin, end, entry);
  }));
  return frames.take();
}

}  // namespace ktrial::introspect::x86_64
