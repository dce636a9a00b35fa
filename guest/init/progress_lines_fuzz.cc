// Invariants: how a workload's bytes are split does not matter, and what was
// parsed parses again from its plain form.
#include <algorithm>
#include <cstdlib>

#include "guest/init/progress_lines.h"

namespace init = ktrial::init;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] % 16 + 1;
  std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  init::ProgressLines whole_lines;
  const auto whole = whole_lines.feed(bytes);
  init::ProgressLines split_lines;
  std::vector<ktrial::wire::Progress> split;
  while (!bytes.empty()) {
    for (auto& message : split_lines.feed(bytes.substr(0, step))) {
      split.push_back(std::move(message));
    }
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  require(whole == split && whole_lines.malformed() == split_lines.malformed());
  for (const auto& message : whole) {
    const std::string line =
        std::to_string(message.done) + " " + std::to_string(message.total) + " " + message.text;
    require(init::parse_progress(line) == message);
  }
  return 0;
}
