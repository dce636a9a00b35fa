// A terminal for a command: a pty of the guest's, carried over two virtio-serial ports. A port
// alone is no terminal: it has no job control and no size.
#pragma once

#include <string>

namespace ktrial::userland {

struct TerminalPorts {
  int bytes = -1;    // what is typed and shown
  int control = -1;  // "ROWS COLS\n" from the host; "exit STATUS\n" to it
};
// By their names (/sys/class/virtio-ports); opened before the root is entered. `problem`: which one
// is not there.
TerminalPorts open_ports(const std::string& bytes, const std::string& control,
                         std::string& problem);

// Returns in the child, within the new terminal. In the parent: carries bytes until the child has
// ended, tells its status, and exits with 0.
void enter_terminal(const TerminalPorts& ports);

}  // namespace ktrial::userland
