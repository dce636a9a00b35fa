// RE2 over std::string_view. Its own view type is neither that nor convertible everywhere: a
// StringPiece of its own up to 2022, Abseil's string_view since, which Debian builds as a class
// of its own.
#pragma once

#include <re2/re2.h>

#include <string_view>

namespace ktrial {

inline re2::StringPiece as_piece(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view as_view(re2::StringPiece piece) { return {piece.data(), piece.size()}; }

// What RE2 writes a group to: a number, a string, or a view into the text; a view of a group that
// took no part in the match is empty.
template <class T>
RE2::Arg re2_group(T* out) {
  return out;
}
inline RE2::Arg re2_group(std::string_view* out) {
  return {out, [](const char* text, std::size_t size, void* to) {
            *static_cast<std::string_view*>(to) = {text, size};
            return true;
          }};
}

// All of `text` matches.
template <class... Group>
bool full_match(std::string_view text, const RE2& re, Group*... groups) {
  return RE2::FullMatch(as_piece(text), re, re2_group(groups)...);
}

// Some part of `text` does.
template <class... Group>
bool partial_match(std::string_view text, const RE2& re, Group*... groups) {
  return RE2::PartialMatch(as_piece(text), re, re2_group(groups)...);
}

// Takes what matches off the front of `text`, if it does.
inline bool consume(std::string_view& text, const RE2& re) {
  re2::StringPiece rest = as_piece(text);
  const bool taken = RE2::Consume(&rest, re);
  text = as_view(rest);
  return taken;
}

}  // namespace ktrial
