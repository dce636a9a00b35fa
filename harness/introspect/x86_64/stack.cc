#include "harness/introspect/x86_64/stack.h"

#include <optional>

namespace ktrial::introspect::x86_64 {

namespace {

// struct pt_regs of x86-64 (arch/x86/include/asm/ptrace.h): an ABI of its own, not in flux.
constexpr std::uint64_t kRegsBp = 32, kRegsIp = 128, kRegsCs = 136, kRegsSp = 152;
constexpr std::uint64_t kStackSize = 16384;

struct Cursor {
  std::uint64_t ip = 0, sp = 0, bp = 0;
  bool bp_known = true;
  bool exact = true;  // ip is the instruction itself, not a return address
};

// One stack.
class Walk {
 public:
  Walk(const KernelView& kernel, const OrcTables* orc) : kernel_(kernel), orc_(orc) {}

  std::vector<Frame> run(Cursor at) {
    while (frames_.size() < kMaxFrames) {
      frames_.push_back({at.ip, true});
      bool ended = false;
      auto next = step(at, ended);
      if (ended) return std::move(frames_);
      // Frames go up the stack; from an interrupt's stack to a task's anything may follow.
      if (!next || (next->sp <= at.sp && at.sp - next->sp < kStackSize)) {
        guess(at.sp);
        return std::move(frames_);
      }
      at = *next;
    }
    return std::move(frames_);
  }

 private:
  std::optional<std::uint64_t> word(std::uint64_t address) const {
    auto value = read_value<std::uint64_t>(kernel_.memory, address);
    return value ? std::optional(*value) : std::nullopt;
  }
  bool is_text(std::uint64_t address) const {
    auto place = kernel_.symbols.find(address);
    if (!place) return false;
    const char type = place->symbol->type;
    return type == 't' || type == 'T' || type == 'w' || type == 'W';
  }

  // The caller's frame. `ended`: there is none, the stack is complete.
  std::optional<Cursor> step(const Cursor& at, bool& ended) {
    if (orc_ == nullptr) return std::nullopt;
    const auto entry = orc_->find(kernel_, at.exact ? at.ip : at.ip - 1);
    if (!entry) return std::nullopt;
    if (entry->type == OrcType::end) {
      ended = true;
      return std::nullopt;
    }
    const auto frame = frame_address(at, *entry);
    if (!frame || entry->type == OrcType::undefined) return std::nullopt;
    if (entry->type == OrcType::call) return caller(at, *entry, *frame);
    return interrupted(at, *entry, *frame, ended);
  }

  std::optional<std::uint64_t> frame_address(const Cursor& at, const OrcEntry& entry) const {
    const std::uint64_t offset = static_cast<std::uint64_t>(std::int64_t{entry.sp_offset});
    switch (entry.sp_register) {
      case OrcRegister::sp:
        return at.sp + offset;
      case OrcRegister::bp:
        return at.bp_known ? std::optional(at.bp + offset) : std::nullopt;
      case OrcRegister::sp_indirect:
        if (auto value = word(at.sp)) return *value + offset;
        return std::nullopt;
      case OrcRegister::bp_indirect:
        return at.bp_known ? word(at.bp + offset) : std::nullopt;
      default:
        return std::nullopt;  // registers that a sample does not hold
    }
  }

  std::optional<Cursor> caller(const Cursor& at, const OrcEntry& entry, std::uint64_t frame) const {
    const auto ip = word(frame - 8);
    if (!ip || !is_text(*ip)) return std::nullopt;
    Cursor next{.ip = *ip, .sp = frame, .bp = at.bp, .bp_known = at.bp_known, .exact = false};
    const std::uint64_t offset = static_cast<std::uint64_t>(std::int64_t{entry.bp_offset});
    std::optional<std::uint64_t> bp;
    if (entry.bp_register == OrcRegister::prev_sp)
      bp = word(frame + offset);
    else if (entry.bp_register == OrcRegister::bp && at.bp_known)
      bp = word(at.bp + offset);
    else
      return next;
    next.bp_known = bp.has_value();
    next.bp = bp.value_or(0);
    return next;
  }

  // `frame` holds struct pt_regs, or its last five words alone (an interrupt's own frame).
  std::optional<Cursor> interrupted(const Cursor& at, const OrcEntry& entry, std::uint64_t frame,
                                    bool& ended) const {
    const bool partial = entry.type == OrcType::regs_partial;
    const std::uint64_t regs = partial ? frame - kRegsIp : frame;
    const auto ip = word(regs + kRegsIp), cs = word(regs + kRegsCs), sp = word(regs + kRegsSp);
    if (!ip || !cs || !sp) return std::nullopt;
    if ((*cs & 3) == 3) {  // user mode: the kernel's part of the stack is complete
      ended = true;
      return std::nullopt;
    }
    if (!is_text(*ip)) return std::nullopt;
    Cursor next{.ip = *ip, .sp = *sp, .bp = at.bp, .bp_known = at.bp_known};
    if (!partial) {
      const auto bp = word(regs + kRegsBp);
      next.bp_known = bp.has_value();
      next.bp = bp.value_or(0);
    }
    return next;
  }

  // What is left of the stack: all words that point behind a call.
  void guess(std::uint64_t sp) {
    const std::uint64_t end = (sp & ~(kStackSize - 1)) + kStackSize;
    for (std::uint64_t at = (sp + 7) & ~7ull; at < end && frames_.size() < kMaxFrames; at += 8) {
      const auto value = word(at);
      if (!value) return;
      if (is_text(*value) && kernel_.symbols.find(*value)->offset != 0)
        frames_.push_back({*value, false});
    }
  }

  const KernelView& kernel_;
  const OrcTables* orc_;
  std::vector<Frame> frames_;
};

class OrcUnwinder final : public Unwinder {
 public:
  OrcUnwinder(const KernelView& kernel, Result<OrcTables> orc)
      : kernel_(kernel), orc_(std::move(orc)) {}

  std::vector<Frame> running(const Registers& at) const override {
    return Walk(kernel_, orc()).run({.ip = at.ip, .sp = at.sp, .bp = at.fp});
  }

  // struct inactive_task_frame: what switch_to() left on the stack.
  std::vector<Frame> sleeping(const Task& task) const override {
    const auto sp = kernel_.pointer(task.address, "task_struct", "thread.sp");
    const auto size = kernel_.btf.size("inactive_task_frame");
    if (!sp || !size) return {};
    const auto bp = kernel_.pointer(*sp, "inactive_task_frame", "bp");
    const auto ip = kernel_.pointer(*sp, "inactive_task_frame", "ret_addr");
    if (!bp || !ip) return {};
    return Walk(kernel_, orc()).run({.ip = *ip, .sp = *sp + *size, .bp = *bp, .exact = false});
  }

  std::string trouble() const override { return orc_ ? "" : orc_.error().message; }

 private:
  const OrcTables* orc() const { return orc_ ? &*orc_ : nullptr; }

  KernelView kernel_;
  Result<OrcTables> orc_;
};

}  // namespace

std::unique_ptr<Unwinder> make_unwinder(const KernelView& kernel,
                                        const std::vector<Module>& modules) {
  return std::make_unique<OrcUnwinder>(kernel, OrcTables::open(kernel, modules));
}

}  // namespace ktrial::introspect::x86_64
