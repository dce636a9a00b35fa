// The kernel's ORC tables as DWARF call frames, which debuggers read.
#pragma once

#include <string>
#include <vector>

#include "harness/introspect/kernel_view.h"
#include "harness/introspect/modules.h"
#include "harness/introspect/x86_64/orc.h"

namespace ktrial::introspect::x86_64 {

Result<std::string> call_frames(const KernelView& kernel, const std::vector<Module>& modules);

// Pure: a section of what add() was told, in that order.
class CallFrames {
 public:
  CallFrames();
  void add(std::uint64_t begin, std::uint64_t end, const OrcEntry& entry);
  std::string take();

 private:
  void finish();
  std::string out_;
  std::string program_;                           // of the description under way
  std::uint64_t begin_ = 0, last_ = 0, end_ = 0;  // last_: its last row
  int rows_ = 0;
};

}  // namespace ktrial::introspect::x86_64
