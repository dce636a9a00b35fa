#pragma once

#include <string>

namespace ktrial::results {

struct KcidbOptions {
  // Who submits: the beginning of every id. [a-z0-9_]+, see kcidb_origin().
  std::string origin = "ktrial";
};
}  // namespace ktrial::results
