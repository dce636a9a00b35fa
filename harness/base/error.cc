#include "harness/base/error.h"

#include <system_error>

namespace ktrial {

Error system_error(const std::string& what, int errno_value, ErrorKind kind) {
  return {kind, what + ": " + std::generic_category().message(errno_value), {}, errno_value};
}

}  // namespace ktrial
