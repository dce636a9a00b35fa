// What a bisection does to the world: it makes the kernel of a commit and puts it
// on trial. Behind an interface, so that the session is tested without either.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "harness/base/result.h"
#include "results/record.h"

namespace ktrial::bisect {

struct MadeKernel {
  std::string reference;  // for `ktrial run --kernel`
};
struct Unbuildable {
  std::string reason;         // one line
  std::filesystem::path log;  // of the build; may be empty
};
using Made = std::variant<MadeKernel, Unbuildable>;

class Lab {
 public:
  virtual ~Lab() = default;
  // May take long. That this commit gives no kernel is no Error: it is skipped.
  virtual Result<Made> make(const std::string& commit) = 0;
  // The same beside trials, on the time that they leave: begun here, one at a time.
  virtual void begin_aside(const std::string& commit) = 0;
  // What came of it, told once; nothing: it is not done. With `wait` that is waited for:
  // ErrorKind::interrupted on a signal.
  virtual std::optional<Result<Made>> take_aside(bool wait) = 0;
  virtual void stop_aside() = 0;
  // `trials` >= 1 at a time. Blocks. ErrorKind::interrupted on a signal.
  virtual Result<std::vector<results::TrialRecord>> run(const MadeKernel& kernel, int trials) = 0;
};

// What a trial says about the change that is looked for.
enum class Mark {
  bad,    // failed, by the wanted signature
  good,   // passed
  other,  // failed by something else: no evidence but for the time until then
  none,   // never judged: a starved host, a guest that did not boot
};
std::string_view name(Mark mark);
// `wanted`: a signature; empty: any failure is bad.
Mark mark_of(const results::TrialRecord& trial, const std::string& wanted);

}  // namespace ktrial::bisect
