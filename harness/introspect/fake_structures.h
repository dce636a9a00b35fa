// For tests and fuzzers: types, tasks, stacks and unwind tables in a FakeKernel.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/introspect/fake_kernel.h"

namespace ktrial::introspect {

// A BTF section, struct by struct.
class BtfBuilder {
 public:
  struct Member {
    std::string name;  // empty: anonymous
    std::uint32_t bit = 0, bits = 0;
    std::uint32_t type = 0;  // id of a struct; 0: a plain number
  };
  BtfBuilder();
  std::uint32_t add_struct(const std::string& name, std::uint32_t size,
                           const std::vector<Member>& members);
  void add_enum(const std::string& enumerator, std::uint32_t value);
  std::string bytes() const;

 private:
  std::uint32_t string(const std::string& text);
  void word(std::uint32_t value);
  std::string types_, strings_;
  std::uint32_t next_ = 1, number_ = 0;
};

// Processes 1 "init" (sleeping) with a second thread 2 "worker" (held off), and 7 "child"
// that a parent in vfork waits for. Functions spin, caller, handler and start, each of 256
// bytes, with unwind tables: `spin` was called by `caller`, that by `start`; `handler` runs
// on an interrupt of `spin`.
struct FakeStructures {
  // `sp_number`: what stands for SP in the unwind tables, 5 or, as of 7.3, 3.
  explicit FakeStructures(unsigned sp_number = 5);
  std::uint64_t function(const char* name, std::uint64_t offset = 0) const;
  // A stack on which `spin` runs, called by `caller`, called by `start`; its pointer.
  std::uint64_t spin_stack();
  std::uint64_t interrupted_stack();  // the same, interrupted by `handler`

  FakeKernel kernel;
  std::string btf;
  std::uint64_t text = 0, init_task = 0, worker = 0, child = 0;
  std::vector<Symbol> symbols;

 private:
  void add_types();
  void add_tasks();
  void add_orc(unsigned sp_number);
  std::uint64_t add_task(int pid, int tgid, const std::string& comm, std::uint32_t state);
  void link(std::uint64_t head, const std::vector<std::uint64_t>& nodes);
};

}  // namespace ktrial::introspect
