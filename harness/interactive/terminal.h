// The user's terminal, lent to a shell in a guest: raw while it lasts, its size told at once.
#pragma once

#include <termios.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::interactive {

inline constexpr char kEscape = 0x1d;  // Ctrl-]

// What is typed before the escape; `left` when it was among it.
std::string_view before_escape(std::string_view typed, bool& left);
// The N of a line "exit N\n" in what the guest told so far.
std::optional<int> exit_status(std::string_view told);

// Raw from construction on; as it was afterwards. A descriptor that is no terminal stays as it is.
class RawTerminal {
 public:
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  const int fd_;
  std::optional<termios> before_;
};

// Carries bytes between the user's terminal (descriptors 0 and 1) and a shell's two ports, within
// `io`, until the shell has ended.
class Line {
 public:
  struct Handlers {
    std::function<void()> on_first_bytes;  // the shell is there
    std::function<void()> on_left;         // the escape was typed, or the terminal is gone
    std::function<void()> on_gone = {};    // the machine is; may be empty
  };
  Line(boost::asio::io_context& io, Fd bytes, Fd control, Handlers handlers);
  std::optional<int> exit() const { return exit_; }

 private:
  void read_user();
  void read_shell();
  void read_control();
  void tell_size();
  void watch_size();

  const bool has_terminal_;  // asked for once: one that went away is none any more
  boost::asio::posix::stream_descriptor user_, bytes_, control_;
  boost::asio::signal_set resized_;
  Handlers handlers_;
  std::array<char, 4096> typed_, shown_, told_;
  std::string control_text_;
  std::optional<int> exit_;
  bool begun_ = false;
  // A read that is done but not yet handled must not reach a line that is gone.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace ktrial::interactive
