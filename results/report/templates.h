// The pages' templates (results/report/templates), as the build put them into the program.
// Internal to this folder.
#pragma once

#include <string>

namespace ktrial::results {

struct Templates {
  std::string head, night, index;           // mustache
  std::string style, script;                // CSS, JavaScript: as they stand in the page
  std::string style_sha256, script_sha256;  // of these, hex: a page names all it may run
};
const Templates& templates();

}  // namespace ktrial::results
