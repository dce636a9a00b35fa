#include "harness/autopsy/inspector.h"

#include <algorithm>

#include "harness/console/frames.h"
#include "harness/introspect/core_file.h"
#include "harness/introspect/kernel.h"
#include "harness/introspect/log.h"
#include "harness/introspect/stack.h"
#include "harness/introspect/symbol_file.h"

namespace ktrial::autopsy {

namespace {

constexpr std::size_t kMaxBlocked = 64;

// Types, modules and unwind tables of a guest's kernel: what can be had of them.
class Structures {
 public:
  static Result<std::unique_ptr<Structures>> open(const introspect::Kernel& kernel,
                                                  std::vector<std::string>& notes) {
    std::string bytes = KTRIAL_TRY(kernel.btf_bytes());
    auto btf = KTRIAL_TRY(introspect::Btf::parse(std::move(bytes)));
    return std::unique_ptr<Structures>(new Structures(kernel, std::move(btf), notes));
  }
  const introspect::KernelView& view() const { return view_; }
  // Empty: the debugger goes without.
  std::string call_frames(const introspect::Isa& isa) const {
    auto frames = isa.call_frames(view_, modules_);
    return frames ? *std::move(frames) : "";
  }
  const introspect::Unwinder& unwinder() const { return *unwinder_; }

 private:
  Structures(const introspect::Kernel& kernel, introspect::Btf btf, std::vector<std::string>& notes)
      : btf_(std::move(btf)),
        symbols_(introspect::symbols_with_modules({kernel, kernel.symbols(), btf_})),
        view_{kernel, symbols_, btf_} {
    if (auto modules = introspect::read_modules(view_)) modules_ = *std::move(modules);
    unwinder_ = kernel.isa().unwinder(view_, modules_);
    const std::string trouble = unwinder_->trouble();
    if (!trouble.empty()) notes.push_back("stacks are guesses: " + trouble);
  }
  introspect::Btf btf_;
  introspect::SymbolTable symbols_;
  introspect::KernelView view_;
  std::vector<introspect::Module> modules_;
  std::unique_ptr<introspect::Unwinder> unwinder_;
};

class RamInspector final : public Inspector {
 public:
  explicit RamInspector(std::unique_ptr<introspect::Kernel> kernel) : kernel_(std::move(kernel)) {
    auto opened = Structures::open(*kernel_, notes_);
    if (opened)
      structures_ = std::move(*opened);
    else
      types_trouble_ = opened.error().message;
    if (!structures_) notes_.push_back("no stacks, no tasks: " + types_trouble_);
  }

  std::vector<StackFrame> stack(const vm::VcpuSample& at) override {
    if (!structures_) return to_frames({{at.ip, true}});
    return to_frames(structures_->unwinder().running({at.ip, at.sp, at.fp}));
  }

  std::string task(unsigned cpu) override {
    if (!structures_) return "";
    auto found = introspect::current_task(structures_->view(), cpu);
    return found ? found->label() : "";
  }

  std::vector<BlockedTask> blocked(bool all_idle) override {
    std::vector<BlockedTask> out;
    if (!structures_) return out;
    auto list = introspect::read_tasks(structures_->view());
    if (!list) {
      notes_.push_back("no list of tasks: " + list.error().message);
      return out;
    }
    if (!list->trouble.empty()) notes_.push_back("the list of tasks is cut: " + list->trouble);
    const auto add = [&](const introspect::Task& task, std::string why) {
      if (why.empty() || out.size() >= kMaxBlocked) return;
      out.push_back(
          {task.label(), std::move(why), to_frames(structures_->unwinder().sleeping(task))});
    };
    for (const introspect::Task& task : list->tasks) add(task, held_off(task, all_idle));
    // A lost wake-up leaves nothing but sleepers.
    if (out.empty() && all_idle)
      for (const introspect::Task& task : list->tasks)
        if (task.state == 'S' && !task.kernel_thread) add(task, "S");
    return out;
  }

  std::vector<std::string> kernel_log() override {
    auto records = introspect::read_log(*kernel_, kernel_->info());
    std::vector<std::string> out;
    if (!records) {
      notes_.push_back("no kernel log from RAM: " + records.error().message);
      return out;
    }
    for (const auto& record : *records) {
      std::string lines = introspect::log_lines(record);
      while (lines.ends_with('\n')) lines.pop_back();
      out.push_back(std::move(lines));
    }
    return out;
  }

  std::vector<std::string> notes() const override { return notes_; }

  std::vector<Access> access() override {
    const auto& no_symbols = kernel_->symbols_error();
    auto log = introspect::read_log(*kernel_, kernel_->info());
    return {{"symbols", no_symbols ? no_symbols->message : ""},
            {"types", types_trouble_},
            {"tasks", structures_ ? tasks_trouble() : types_trouble_},
            {"stacks", structures_ ? structures_->unwinder().trouble() : types_trouble_},
            {"log", !log           ? log.error().message
                    : log->empty() ? "it is empty"
                                   : ""}};
  }

  const introspect::KernelView* view() const override {
    return structures_ ? &structures_->view() : nullptr;
  }

  Result<std::string> symbol_file() const override {
    if (const auto& why = kernel_->symbols_error()) return std::unexpected(*why);
    const introspect::Isa& isa = kernel_->isa();
    if (!structures_) return introspect::symbol_file(isa, kernel_->symbols(), "");
    return introspect::symbol_file(isa, structures_->view().symbols, structures_->call_frames(isa));
  }

  Status write_core(const std::filesystem::path& path,
                    const std::vector<vm::VcpuSample>& registers) override {
    return introspect::write_core_file(kernel_->memory(), kernel_.get(), registers, path);
  }

 private:
  // Why it is shown; empty: it is not.
  std::string held_off(const introspect::Task& task, bool all_idle) const {
    if (task.state == 'D' || (task.state == 'S' && task.vfork_child))
      return std::string(1, task.state) + (task.vfork_child ? ", a vfork child" : "");
    if (task.state != 'R' || !all_idle || !task.cpu) return "";
    const auto current = introspect::current_task(structures_->view(), *task.cpu);
    return current && current->address != task.address ? "R, and no CPU runs it" : "";
  }

  std::string tasks_trouble() const {
    auto list = introspect::read_tasks(structures_->view());
    if (!list) return list.error().message;
    if (list->tasks.empty()) return "the list of tasks is empty";
    auto current = introspect::current_task(structures_->view(), 0);
    return current ? list->trouble : current.error().message;
  }

  std::vector<StackFrame> to_frames(const std::vector<introspect::Frame>& frames) const {
    const auto& symbols = structures_ ? structures_->view().symbols : kernel_->symbols();
    std::vector<StackFrame> out;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      // A return address may already belong to the next function: a call is never the
      // last thing that one does, except when it does not return.
      const std::uint64_t in = frames[i].address - (i > 0 && frames[i].certain ? 1 : 0);
      out.push_back({console::source_name(symbols.function(in)),
                     symbols.describe(frames[i].address), frames[i].certain});
    }
    return out;
  }

  std::unique_ptr<introspect::Kernel> kernel_;
  std::unique_ptr<Structures> structures_;
  std::string types_trouble_;
  std::vector<std::string> notes_;
};

}  // namespace

Result<std::unique_ptr<Inspector>> make_inspector(vm::GuestRam ram,
                                                  const std::filesystem::path& cache_dir) {
  std::shared_ptr<const introspect::PhysicalMemory> memory =
      KTRIAL_TRY(introspect::RamFile::open(std::move(ram)));
  auto kernel = KTRIAL_TRY(introspect::Kernel::open(std::move(memory), cache_dir));
  return std::make_unique<RamInspector>(std::move(kernel));
}

}  // namespace ktrial::autopsy
