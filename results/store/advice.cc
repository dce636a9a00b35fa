#include "results/store/advice.h"

#include <cerrno>

namespace ktrial::results {

Error advised(Error error) {
  if (!error.hint.empty()) return error;
  switch (error.errno_value) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      error.hint = "free some space there, or choose another place with --results DIR";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
      error.hint = "choose a folder that you may write to with --results DIR";
      break;
    default:
      break;
  }
  return error;
}

}  // namespace ktrial::results
