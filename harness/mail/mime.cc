#include "harness/mail/mime.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/console/decoding.h"
#include "harness/console/line.h"
#include "harness/mail/flow.h"
#include "harness/mail/page.h"
#include "harness/mail/unpack.h"

namespace ktrial::mail {
namespace {

struct Unref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Unref>;

std::string text_of(const char* text) {
  std::string clean;
  if (text != nullptr) console::clean_line(std::string_view(text).substr(0, 512), clean);
  return clean;
}

std::string date_of(GDateTime* date) {
  if (date == nullptr) return {};
  char out[32];
  std::snprintf(out, sizeof out, "%04d-%02d-%02d", g_date_time_get_year(date),
                g_date_time_get_month(date), g_date_time_get_day_of_month(date));
  return out;
}

void read_head(GMimeMessage* mail, Message& out) {
  out.subject = text_of(g_mime_message_get_subject(mail));
  out.id = text_of(g_mime_message_get_message_id(mail));
  out.date = date_of(g_mime_message_get_date(mail));
  if (InternetAddressList* from = g_mime_message_get_from(mail)) {
    char* const name = internet_address_list_to_string(from, nullptr, FALSE);
    out.from = text_of(name);
    g_free(name);
  }
  for (const char* field : {"References", "In-Reply-To"}) {
    const char* value = g_mime_object_get_header(GMIME_OBJECT(mail), field);
    if (value == nullptr) continue;
    // A thread's first mail comes first.
    static const RE2 kId(R"(<([^<>\s]{3,200})>)");
    re2::StringPiece rest = as_piece(std::string_view(value).substr(0, 65536));
    for (std::string id; out.references.size() < 64 && RE2::FindAndConsume(&rest, kId, &id);)
      if (std::ranges::find(out.references, id) == out.references.end())
        out.references.push_back(id);
  }
  static const RE2 kReply(R"((?i)^\s*(re|aw|sv|antw)\s*:)");
  out.reply = !out.references.empty() || RE2::PartialMatch(out.subject, kReply);
}

// What looks like text by its first bytes.
bool is_text(std::string_view bytes) {
  const std::string_view begin = bytes.substr(0, 4096);
  if (begin.starts_with("\xff\xfe") || begin.starts_with("\xfe\xff")) return true;
  const auto odd = std::ranges::count_if(begin, [](char c) {
    return static_cast<unsigned char>(c) < 9 || (c > 13 && c < 27) || c == 127;
  });
  return odd * 16 <= std::ssize(begin);
}

class Walk {
 public:
  Walk(const Piece& piece, std::vector<Message>& out) : piece_(piece), out_(out) {
    for (std::size_t at = 0; (at = piece_.bytes.find('\n', at)) != std::string::npos; ++at)
      newlines_.push_back(at);
  }

  void mail(GMimeMessage* mail, int depth) {
    const std::size_t index = out_.size();
    out_.emplace_back();
    read_head(mail, out_.back());
    GMimeObject* const part = g_mime_message_get_mime_part(mail);
    out_[index].first_line = part == nullptr ? piece_.first_line : line_at(begin_of(part));
    if (part != nullptr) object(part, index, depth);
  }

 private:
  std::size_t begin_of(GMimeObject* part) {
    if (!GMIME_IS_PART(part)) return 0;
    GMimeDataWrapper* const content = g_mime_part_get_content(GMIME_PART(part));
    GMimeStream* const stream = content ? g_mime_data_wrapper_get_stream(content) : nullptr;
    return stream ? static_cast<std::size_t>(std::max<gint64>(stream->bound_start, 0)) : 0;
  }
  std::uint64_t line_at(std::size_t offset) const {
    const auto found = std::ranges::lower_bound(newlines_, offset);
    return piece_.first_line + static_cast<std::uint64_t>(found - newlines_.begin());
  }

  void object(GMimeObject* part, std::size_t index, int depth) {
    if (depth > Limits::kDepth || ++parts_ > Limits::kParts) {
      if (!deep_)
        out_[index].notes.push_back("parts in parts, too many to read: some are left out");
      deep_ = true;
      return;
    }
    if (GMIME_IS_MULTIPART(part)) return multipart(GMIME_MULTIPART(part), index, depth);
    if (GMIME_IS_MESSAGE_PART(part)) {
      if (GMimeMessage* inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(part)))
        mail(inner, depth + 1);
      return;
    }
    if (GMIME_IS_PART(part)) leaf(GMIME_PART(part), index);
  }

  void multipart(GMimeMultipart* parts, std::size_t index, int depth) {
    const int count = g_mime_multipart_get_count(parts);
    GMimeContentType* const type = g_mime_object_get_content_type(GMIME_OBJECT(parts));
    const bool alternative = g_mime_content_type_is_type(type, "multipart", "alternative");
    const auto plain = [](GMimeObject* part) {
      GMimeContentType* const of = g_mime_object_get_content_type(part);
      return of != nullptr && g_mime_content_type_is_type(of, "text", "plain");
    };
    bool has_plain = false;
    for (int i = 0; i < count; ++i)
      has_plain = has_plain || plain(g_mime_multipart_get_part(parts, i));
    for (int i = 0; i < count; ++i) {
      GMimeObject* const part = g_mime_multipart_get_part(parts, i);
      // The same said twice.
      if (alternative && has_plain && !plain(part) && GMIME_IS_PART(part)) continue;
      object(part, index, depth + 1);
    }
  }

  // The part's bytes as they stand in the mail.
  std::string_view raw(GMimePart* part) {
    GMimeDataWrapper* const content = g_mime_part_get_content(part);
    GMimeStream* const stream = content ? g_mime_data_wrapper_get_stream(content) : nullptr;
    if (stream == nullptr) return {};
    const std::string_view all = piece_.bytes;
    const std::size_t from =
        std::min<std::size_t>(all.size(), std::max<gint64>(stream->bound_start, 0));
    const std::size_t to =
        stream->bound_end < 0 ? all.size() : std::min<std::size_t>(all.size(), stream->bound_end);
    return all.substr(from, to > from ? to - from : 0);
  }

  void leaf(GMimePart* mime, std::size_t index) {
    GMimeContentType* const type = g_mime_object_get_content_type(GMIME_OBJECT(mime));
    const auto is = [&](const char* a, const char* b) {
      return type != nullptr && g_mime_content_type_is_type(type, a, b);
    };
    for (const char* media : {"image", "audio", "video", "font"})
      if (is(media, "*")) return;
    Part part;
    const char* const name = g_mime_part_get_filename(mime);
    const char* const disposition = g_mime_object_get_disposition(GMIME_OBJECT(mime));
    part.attachment = name != nullptr ||
                      (disposition != nullptr && std::string_view(disposition) == "attachment");
    if (part.attachment)
      part.name = harmless_name(name ? std::string_view(name).substr(0, 4096) : "");
    const std::string_view bytes = raw(mime);
    part.first_line = line_at(static_cast<std::size_t>(bytes.data() - piece_.bytes.data()));
    const Flow flow{.flowed = parameter(type, "format") == "flowed",
                    .delete_space = parameter(type, "delsp") == "yes"};
    const std::size_t room =
        std::min(Limits::kPart, Limits::kText - std::min(Limits::kText, used_));
    if (is("text", "html"))
      page(bytes, g_mime_part_get_content_encoding(mime), room, part, index);
    else
      decode(bytes, g_mime_part_get_content_encoding(mime), room, flow, part);
    if (part.cut)
      out_[index].notes.push_back((part.name.empty() ? "a part" : part.name) +
                                  " is too large or damaged: only its beginning was read");
    for (const TextLine& line : part.lines) used_ += line.text.size() + 1;
    if (!part.lines.empty()) out_[index].parts.push_back(std::move(part));
  }

  static std::string parameter(GMimeContentType* type, const char* key) {
    const char* value = type ? g_mime_content_type_get_parameter(type, key) : nullptr;
    std::string out = text_of(value);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
  }

  // Line by line, so that each knows where it came from.
  template <class Take>
  void each_line(std::string_view bytes, GMimeContentEncoding encoding, Take take) {
    GMimeEncoding state;
    g_mime_encoding_init_decode(&state, encoding);
    std::string out;
    std::uint64_t number = line_at(static_cast<std::size_t>(bytes.data() - piece_.bytes.data()));
    for (; !bytes.empty(); ++number) {
      const std::size_t end = bytes.find('\n');
      const std::string_view line = bytes.substr(0, end == bytes.npos ? end : end + 1);
      bytes.remove_prefix(line.size());
      out.resize(g_mime_encoding_outlen(&state, line.size()) + 16);
      out.resize(g_mime_encoding_step(&state, line.data(), line.size(), out.data()));
      if (!take(out, number)) return;
    }
  }

  void decode(std::string_view bytes, GMimeContentEncoding encoding, std::size_t room, Flow flow,
              Part& part) {
    LineMaker lines(part, flow, room);
    console::Utf16 utf16;
    bool first = true;
    std::string packed;
    bool is_packed = false;
    each_line(bytes, encoding, [&](const std::string& out, std::uint64_t number) {
      if (first && !out.empty()) {
        first = false;
        is_packed = is_compressed(out);
        if (!is_packed && !is_text(out)) return false;
      }
      if (is_packed) {
        packed += out;
        return packed.size() < Limits::kPart;
      }
      lines.feed(utf16.decode(out), number);
      return lines.room() > 0;
    });
    if (is_packed) {
      const Unpacked text = unpack(packed, room);
      if (is_text(text.bytes)) lines.feed(utf16.decode(text.bytes), part.first_line);
      part.cut = part.cut || text.cut;
    }
    lines.feed(utf16.finish(), part.first_line);
    lines.finish();
  }

  void page(std::string_view bytes, GMimeContentEncoding encoding, std::size_t room, Part& part,
            std::size_t index) {
    std::string html;
    each_line(bytes, encoding, [&](const std::string& out, std::uint64_t) {
      html += out;
      return html.size() < Limits::kPart;
    });
    std::string title;
    read_page(html, part.first_line, room, part, title);
    if (out_[index].subject.empty()) out_[index].subject = title;
  }

  const Piece& piece_;
  std::vector<Message>& out_;
  std::vector<std::size_t> newlines_;
  int parts_ = 0;
  bool deep_ = false;
  std::size_t used_ = 0;
};

bool has_text(const std::vector<Message>& messages) {
  return std::ranges::any_of(messages, [](const Message& m) { return !m.parts.empty(); });
}

}  // namespace

std::string harmless_name(std::string_view name) {
  std::string path(name);
  // What is written "%2f" in a name that was encoded once more.
  static const RE2 kSlash(R"((?i)%2f|%5c)");
  RE2::GlobalReplace(&path, kSlash, "/");
  const std::size_t at = path.find_last_of("/\\");
  std::string out = path.substr(at == path.npos ? 0 : at + 1).substr(0, 80);
  for (char& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_' &&
        c != '+')
      c = '_';
  while (out.starts_with('.') || out.starts_with('-')) out.erase(0, 1);
  return out.empty() ? "attachment" : out;
}

std::vector<Message> read_mail(const Piece& piece) {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
  std::vector<Message> out;
  const Owned<GMimeStream> stream(
      g_mime_stream_mem_new_with_buffer(piece.bytes.data(), piece.bytes.size()));
  const Owned<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
  const Owned<GMimeMessage> mail(g_mime_parser_construct_message(parser.get(), nullptr));
  if (mail) Walk(piece, out).mail(mail.get(), 0);
  if (!has_text(out)) {
    // Broken beyond use: what can be read of it as it stands.
    if (out.empty()) out.emplace_back();
    Part part{.first_line = piece.first_line};
    LineMaker lines(part, {}, Limits::kPart);
    std::string_view rest = piece.bytes;
    for (std::uint64_t number = piece.first_line; !rest.empty(); ++number) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end == rest.npos ? end : end + 1);
      lines.feed(line, number);
      rest.remove_prefix(line.size());
    }
    lines.finish();
    out.front().notes.push_back("no part of this mail could be decoded; it is read as it stands");
    out.front().parts.push_back(std::move(part));
  }
  if (piece.cut) out.front().notes.push_back("the mail is too large: only its beginning was read");
  return out;
}

}  // namespace ktrial::mail
