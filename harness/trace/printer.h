// Events as text, as the kernel's own `trace` file shows them, by libtraceevent.
#pragma once

#include <memory>
#include <string>

#include "harness/trace/formats.h"

namespace ktrial::trace {

class Printer {
 public:
  // Does not own `formats`, nor `symbols` (may be null), which name addresses. Formats that
  // libtraceevent cannot be trusted with, or does not understand, are printed as NAME=VALUE.
  explicit Printer(const Formats& formats, const introspect::SymbolTable* symbols = nullptr);
  Printer(Printer&&) noexcept;
  ~Printer();

  // "prev_comm=a prev_pid=1 ... ==> next_comm=b ...": one line of printable characters.
  std::string print(const Event& event);
  // "sched_switch"; "type 1234" if there is no format for it.
  std::string name(const Event& event) const;

 private:
  struct Library;
  const Formats& formats_;
  std::unique_ptr<Library> library_;
};

}  // namespace ktrial::trace
