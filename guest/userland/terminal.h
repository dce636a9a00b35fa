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

// Terminals beside the first one: ports BYTES.1, BYTES.2, ... A process for each, which waits until
// somebody at the other end tells a size, and then has a child with a terminal, in which this
// returns true; again after that has ended. In the caller it returns false, at once.
bool serve_more_terminals(const std::string& bytes);

// Returns in the child, within the new terminal. In the parent: carries bytes until the child has
// ended, tells its status, and exits with 0.
void enter_terminal(const TerminalPorts& ports);

}  // namespace ktrial::userland
