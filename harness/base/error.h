// What went wrong on *our* side. That a kernel failed is never an Error: it is
// an outcome (results/record.h), and no code path turns one into the other.
#pragma once

#include <string>
#include <utility>

namespace ktrial {

enum class ErrorKind {
  usage,        // bad command line, spec or configuration: the user mends it (exit 129)
  environment,  // the host lacks something or refused it: no QEMU, disk full (exit 128)
  interrupted,  // the user asked us to stop (exit 130)
  protocol,     // a peer sent what the format forbids
  internal,     // a bug in ktrial
};

// `message` says what happened and to what; `hint` says what to do next and may
// be empty. Neither ends in a newline. `errno_value` is 0 unless a system call
// failed: whoever knows what it was for may add a hint by it.
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
  std::string hint = {};
  int errno_value = 0;

  // The same error seen from further out: "loading X: <message>".
  Error in(const std::string& context) && {
    message = context + ": " + message;
    return std::move(*this);
  }
};

// "open /x: No such file or directory", from an errno value.
Error system_error(const std::string& what, int errno_value,
                   ErrorKind kind = ErrorKind::environment);

}  // namespace ktrial
