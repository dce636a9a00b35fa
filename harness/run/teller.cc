#include "harness/run/teller.h"

namespace ktrial::run {

void Teller::tell(What what) {
  const std::chrono::duration<double> at = std::chrono::steady_clock::now() - begun_;
  sink_({.at_s = at.count(), .trial = trial_, .what = std::move(what)});
}

void Teller::on_build(const kernel::BuildProgress& progress) {
  tell(Building{.step = std::string(progress.step),
                .detail = std::string(progress.detail),
                .done = progress.done,
                .expected = progress.expected,
                .elapsed = progress.elapsed,
                .left = progress.left});
}

}  // namespace ktrial::run
