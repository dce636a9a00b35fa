#include "harness/autopsy/inspector.h"

#include "harness/introspect/core_file.h"
#include "harness/introspect/kernel.h"
#include "harness/introspect/log.h"

namespace ktrial::autopsy {

namespace {

class RamInspector final : public Inspector {
 public:
  explicit RamInspector(std::unique_ptr<introspect::Kernel> kernel) : kernel_(std::move(kernel)) {}

  std::vector<StackFrame> stack(const vm::VcpuSample& registers) override {
    return {{kernel_->symbols().function(registers.rip), kernel_->symbols().describe(registers.rip),
             true}};
  }
  std::string task(unsigned) override { return ""; }
  std::vector<BlockedTask> blocked() override { return {}; }
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
  Status write_core(const std::filesystem::path& path,
                    const std::vector<vm::VcpuSample>& registers) override {
    return introspect::write_core_file(kernel_->memory(), kernel_.get(), registers, path);
  }

 private:
  std::unique_ptr<introspect::Kernel> kernel_;
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
