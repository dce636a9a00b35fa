// Cuts a stream into what is read as one: the mails of an mbox; else all of it. Pure; holds one
// mail at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace ktrial::mail {

enum class Form { mail, page, text };

struct Piece {
  Form form = Form::text;
  std::string bytes;             // at most Limits::kMessage
  std::uint64_t first_line = 1;  // in the stream
  bool cut = false;
};

class Splitter {
 public:
  using Sink = std::function<void(Piece)>;
  explicit Splitter(Sink sink) : sink_(std::move(sink)) {}
  void feed(std::string_view bytes);
  void finish();

 private:
  void take(std::string_view line);
  void emit();

  Sink sink_;
  Piece piece_;
  std::string held_;  // a line whose end has not come
  std::uint64_t line_ = 0;
  bool mbox_ = false, blank_ = true, begins_ = true;
};

// What a text is, by how it begins.
Form form_of(std::string_view begin);

}  // namespace ktrial::mail
