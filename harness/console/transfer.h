// Undoes how a mail carries its text: quoted-printable and base64. Pure, bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ktrial::console {

// Soft line breaks and "=3D" of quoted-printable mails.
class QuotedPrintable {
 public:
  // Whether the line goes on in the next one; it is kept then.
  bool holds(std::string& line);
  // What is kept, when no line follows that continues it; nothing else.
  std::optional<std::string> take_kept();
  bool holding() const { return kept_.has_value(); }
  // A mail with this encoding was seen: every line matters.
  bool on() const { return on_; }
  std::uint64_t kept_number() const { return kept_number_; }
  void note_number(std::uint64_t number) { number_ = number; }

 private:
  bool on_ = false;
  std::optional<std::string> kept_;
  std::uint64_t number_ = 0, kept_number_ = 0;
};

// A part in base64: from its header to the first line that is none.
class Base64 {
 public:
  // Whether the line belongs to the part; take_line() has what it decodes to.
  bool takes(std::string_view line);
  // The next whole line of what was decoded; at the part's end also one without a newline.
  std::optional<std::string> take_line();
  // Every line matters.
  bool on() const { return state_ != State::off; }
  // The stream has ended.
  void finish();

 private:
  void decode(std::string_view line);

  enum class State { off, header, body } state_ = State::off;
  std::string decoded_;
  std::size_t taken_ = 0;
  unsigned bits_ = 0;
  int bit_count_ = 0;
  bool any_ = false;
};

// "=3D" -> "="; other bytes stay.
void undo_quoted_printable(std::string& text);

}  // namespace ktrial::console
