// VMCOREINFO: what a kernel tells crash-dump readers about itself, as lines of
// KEY=VALUE in an ELF note that lies in RAM from boot on (kernel/vmcore_info.c,
// Documentation/admin-guide/kdump/vmcoreinfo.rst). Addresses in it are those of
// this boot: KASLR is already applied.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/introspect/memory.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

class VmCoreInfo {
 public:
  // The note's description: needs OSRELEASE and a 4 KiB PAGESIZE. Lines that are
  // no KEY=VALUE are skipped; of a key given twice the last counts.
  static Result<VmCoreInfo> parse(std::string_view text);

  const std::string& text() const { return text_; }
  const std::string& release() const { return release_; }
  // Hex digits, lower case; empty: a kernel that does not tell.
  const std::string& build_id() const { return build_id_; }
  std::uint64_t kernel_offset() const { return kernel_offset_; }  // by KASLR

  // The numbers of SYMBOL(name)=, OFFSET(name)=, SIZE(name)=, LENGTH(name)= and
  // NUMBER(name)=; a negative one as two's complement. The error names the key.
  Result<std::uint64_t> symbol(std::string_view name) const { return number_of("SYMBOL", name); }
  Result<std::uint64_t> offset(std::string_view name) const { return number_of("OFFSET", name); }
  Result<std::uint64_t> size(std::string_view name) const { return number_of("SIZE", name); }
  Result<std::uint64_t> length(std::string_view name) const { return number_of("LENGTH", name); }
  Result<std::uint64_t> number(std::string_view name) const { return number_of("NUMBER", name); }
  // All that SYMBOL() gives.
  std::vector<Symbol> symbols() const;

 private:
  Result<std::uint64_t> number_of(std::string_view kind, std::string_view name) const;
  std::string text_, release_, build_id_;
  std::uint64_t kernel_offset_ = 0;
  std::map<std::string, std::string, std::less<>> values_;
};

// Looks for the note in all of memory and returns the first that parses and that
// `accept` takes: pages of another boot, or copies in buffers, look much alike.
Result<VmCoreInfo> find_vmcoreinfo(const PhysicalMemory& memory,
                                   const std::function<bool(const VmCoreInfo&)>& accept);

}  // namespace ktrial::introspect
