#include "harness/console/line_stream.h"

#include <algorithm>

#include "harness/base/text.h"
#include "harness/console/prefilter.h"

namespace ktrial::console {
namespace {
constexpr std::size_t kBlock = 256 * 1024;

// The end of the whole lines at the front of `bytes`, about a block of them, at least one.
std::size_t block_end(std::string_view bytes) {
  if (bytes.size() > kBlock) {
    if (const auto last = bytes.rfind('\n', kBlock - 1); last != bytes.npos) return last + 1;
    return bytes.find('\n', kBlock - 1) + 1;
  }
  return bytes.rfind('\n') + 1;
}
}  // namespace

void LineStream::feed(std::string_view bytes, LineReader& reader) {
  feed_bytes(line_ends_.decode(utf16_.decode(bytes)), reader);
}

void LineStream::feed_bytes(std::string_view bytes, LineReader& reader) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == bytes.npos) {
      keep_partial(bytes);
      return;
    }
    if (started_) {
      keep_partial(bytes.substr(0, end + 1));
      end_partial(reader);
      bytes.remove_prefix(end + 1);
      continue;
    }
    bytes.remove_prefix(feed_block(bytes.substr(0, block_end(bytes)), reader));
  }
}

void LineStream::finish(LineReader& reader) {
  feed_bytes(line_ends_.decode(utf16_.finish()), reader);
  feed_bytes(line_ends_.finish(), reader);
  if (started_) end_partial(reader);
  base64_.finish();
  take_attached(reader);
  if (auto kept = mail_.take_kept()) take_decoded(*kept, mail_.kept_number(), reader);
  envelope_.finish(reader);
}

bool LineStream::wants_every_line(const LineReader& reader) const {
  return reader.wants_every_line() || envelope_.wants(lines_ + 1) || mail_.holding() ||
         mail_.on() || base64_.on();
}

// Takes whole lines and returns their size.
std::size_t LineStream::feed_block(std::string_view text, LineReader& reader) {
  const bool stamps = !envelope_.saw_kernel_line();
  find_candidates(text, stamps, candidates_);
  std::size_t next = 0;
  std::size_t done = 0;
  while (done < text.size()) {
    if (stamps && envelope_.saw_kernel_line())
      return done;  // stamps are of no more interest: look again
    if (!wants_every_line(reader)) {
      while (next < candidates_.size() && candidates_[next] < done) ++next;
      if (next == candidates_.size()) {
        skip_lines(text.substr(done));
        break;
      }
      const std::size_t candidate = candidates_[next];
      const std::size_t before = candidate == 0 ? text.npos : text.rfind('\n', candidate - 1);
      const std::size_t line = before == text.npos || before + 1 < done ? done : before + 1;
      skip_lines(text.substr(done, line - done));
      done = line;
    }
    const std::size_t end = text.find('\n', done);
    read_line(text.substr(done, end - done), reader);
    done = end + 1;
  }
  return text.size();
}

void LineStream::skip_lines(std::string_view text) {
  lines_ += count_newlines(text);
  if (!envelope_.saw_kernel_line()) return;  // else a stamp would have been found
  for (std::size_t at = text.rfind('['); at != text.npos; at = text.rfind('[', at - 1)) {
    if (is_stamp(text, at)) {
      const std::size_t before = text.rfind('\n', at);
      const std::size_t start = before == text.npos ? 0 : before + 1;
      const std::size_t size = text.find('\n', at) - start;
      clean_line(text.substr(start, std::min(size, kMaxLine)), clean_);
      undo_markup(clean_);
      envelope_.skip(clean_, lines_);
      return;
    }
    if (at == 0) return;
  }
}

void LineStream::keep_partial(std::string_view piece) {
  started_ = true;
  if (partial_.size() < kMaxLine) partial_.append(piece.substr(0, kMaxLine - partial_.size()));
}

// The same decision as in a block: what is read must not depend on how the stream was cut.
void LineStream::end_partial(LineReader& reader) {
  started_ = false;
  if (!partial_.ends_with('\n')) partial_.push_back('\n');
  bool skip = !wants_every_line(reader);
  if (skip) {
    find_candidates(partial_, !envelope_.saw_kernel_line(), candidates_);
    skip = candidates_.empty();
  }
  if (skip)
    skip_lines(partial_);
  else
    read_line(std::string_view(partial_).substr(0, partial_.size() - 1), reader);
  partial_.clear();
}

void LineStream::read_line(std::string_view raw, LineReader& reader) {
  clean_line(raw.substr(0, kMaxLine), clean_);
  mail_.note_number(++lines_);
  const bool attached = base64_.takes(clean_);
  take_attached(reader);
  if (attached) return;
  if (mail_.holding() && !mail_.on() && clean_.starts_with('[')) {
    std::string kept = *mail_.take_kept();  // no mail: a line that ends so
    take_decoded(kept, mail_.kept_number(), reader);
  }
  if (!mail_.holds(clean_)) take_decoded(clean_, mail_.kept_number(), reader);
}

// What a mail carried in base64, under the number of the line that ends it.
void LineStream::take_attached(LineReader& reader) {
  while (const auto line = base64_.take_line()) {
    std::string clean;
    clean_line(*line, clean);
    take_decoded(clean, lines_, reader);
  }
}

void LineStream::take_decoded(std::string& text, std::uint64_t number, LineReader& reader) {
  undo_markup(text);
  undo_tag(text);
  if (text.find('\n') == text.npos) {
    envelope_.take(text, number, reader);
    return;
  }
  std::string_view rest = text;
  while (const auto line = take_line(rest)) envelope_.take(*line, number, reader);
}

}  // namespace ktrial::console
