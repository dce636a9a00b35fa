// ktrial's TCG plugin, seen from the host: the file that both share.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "harness/base/fd.h"
#include "harness/base/result.h"
#include "harness/vm/qemu/plugin/control.h"
#include "harness/vm/vm.h"

namespace ktrial::vm {

class Instrument final : public Delayable {
 public:
  static Result<Instrument> create(const VmConfig& config);

  int fd() const { return fd_.get(); }
  ktrial_control& control() const { return *control_; }
  void go_on() const;  // ends a hold
  std::optional<Hold> held() const;
  std::vector<Visit> visits() const;
  Changes changes() const;
  Paths paths(unsigned cpus) const;
  Status delay_at(const std::vector<Delay>& delays) override;
  std::vector<DelayCount> delayed() const override;

 private:
  Fd fd_;
  std::shared_ptr<ktrial_control> control_;
};

// The plugin for this QEMU below the folder that they are installed in; or why there is none: then
// deterministic trials work, and nothing can be held or looked into.
struct PluginChoice {
  std::filesystem::path file;  // empty: none
  std::string why_not;
};
PluginChoice choose_plugin(const std::filesystem::path& folder, std::string_view qemu_version,
                           const std::filesystem::path& qemu);

// What stops QEMU's clock, in the same folder, as LD_PRELOAD can name it.
Result<std::filesystem::path> find_clock(const std::filesystem::path& folder);

}  // namespace ktrial::vm
