#include "harness/interactive/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <boost/asio/write.hpp>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::interactive {
namespace asio = boost::asio;
using boost::system::error_code;

std::string_view before_escape(std::string_view typed, bool& left) {
  const std::size_t at = typed.find(kEscape);
  left = at != typed.npos;
  return typed.substr(0, at);
}

std::optional<int> exit_status(std::string_view told) {
  constexpr std::string_view kWord = "exit ";
  while (const auto line = take_line(told))
    if (line->starts_with(kWord))
      if (auto status = to_number<int>(line->substr(kWord.size()))) return status;
  return std::nullopt;
}

RawTerminal::RawTerminal(int fd) : fd_(fd) {
  termios now{};
  if (::tcgetattr(fd_, &now) != 0) return;
  before_ = now;
  ::cfmakeraw(&now);
  ::tcsetattr(fd_, TCSADRAIN, &now);
}

RawTerminal::~RawTerminal() {
  if (before_) ::tcsetattr(fd_, TCSADRAIN, &*before_);
}

Line::Line(asio::io_context& io, Fd bytes, Fd control, Handlers handlers)
    : has_terminal_(::isatty(STDIN_FILENO) != 0),
      user_(io),
      bytes_(io, bytes.release()),
      control_(io, control.release()),
      resized_(io, SIGWINCH),
      handlers_(std::move(handlers)) {
  // A copy: what is closed at the end is not our own standard input. A regular file cannot be
  // waited for; then nothing is typed.
  error_code unfit;
  user_.assign(::dup(STDIN_FILENO), unfit);
  if (!unfit) read_user();
  read_shell();
  read_control();
  tell_size();
  watch_size();
}

void Line::read_user() {
  user_.async_read_some(asio::buffer(typed_), [this, alive = std::weak_ptr<int>(alive_)](
                                                  error_code failed, std::size_t got) {
    if (alive.expired()) return;
    if (failed == asio::error::operation_aborted) return;
    bool left = failed.failed() && has_terminal_;
    std::string_view typed(typed_.data(), failed ? 0 : got);
    if (!failed && has_terminal_) typed = before_escape(typed, left);
    error_code lost;
    asio::write(bytes_, asio::buffer(typed), lost);
    if (left) return handlers_.on_left();
    if (!failed) return read_user();
    asio::write(bytes_, asio::buffer("\x04", 1), lost);  // of a pipe: its end
  });
}

void Line::read_shell() {
  bytes_.async_read_some(asio::buffer(shown_), [this, alive = std::weak_ptr<int>(alive_)](
                                                   error_code failed, std::size_t got) {
    if (alive.expired()) return;
    if (failed && failed != asio::error::operation_aborted && handlers_.on_gone)
      return handlers_.on_gone();
    if (failed) return;
    if (!begun_) handlers_.on_first_bytes();
    begun_ = true;
    (void)write_all(STDOUT_FILENO, {shown_.data(), got});
    read_shell();
  });
}

void Line::read_control() {
  control_.async_read_some(asio::buffer(told_), [this, alive = std::weak_ptr<int>(alive_)](
                                                    error_code failed, std::size_t got) {
    if (alive.expired()) return;
    if (failed) return;
    constexpr std::size_t kMost = 4096;
    if (control_text_.size() < kMost) control_text_.append(told_.data(), got);
    exit_ = exit_status(control_text_);
    read_control();
  });
}

void Line::tell_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) size = {24, 80, 0, 0};
  const std::string text = std::to_string(size.ws_row) + " " + std::to_string(size.ws_col) + "\n";
  error_code lost;
  asio::write(control_, asio::buffer(text), lost);
}

void Line::watch_size() {
  resized_.async_wait([this, alive = std::weak_ptr<int>(alive_)](error_code failed, int) {
    if (failed || alive.expired()) return;
    tell_size();
    watch_size();
  });
}

}  // namespace ktrial::interactive
