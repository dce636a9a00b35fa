// How to write for whoever reads our stdout.
#pragma once

#include <unistd.h>

#include <cstdlib>

#include "results/report/report.h"

namespace ktrial::cli {

inline results::TextOptions text_options() {
  return {.color = results::wants_color(::isatty(STDOUT_FILENO), std::getenv("NO_COLOR"),
                                        std::getenv("TERM"))};
}

}  // namespace ktrial::cli
