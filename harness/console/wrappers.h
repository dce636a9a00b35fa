// For tests: what people and tools make of a whole console log before it reaches us. A report must
// tell the same in all of them.
#pragma once

#include <string>
#include <vector>

namespace ktrial::console {

struct WholeWrapper {
  const char* name;
  std::string (*wrap)(const std::string& log);
};
const std::vector<WholeWrapper>& whole_wrappers();

}  // namespace ktrial::console
