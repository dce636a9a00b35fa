#include "harness/mail/page.h"

#include <libxml/HTMLparser.h>
#include <libxml/SAX2.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "harness/base/text.h"
#include "harness/mail/flow.h"

namespace ktrial::mail {
namespace {

constexpr std::array<std::string_view, 13> kHidden = {
    "script", "style",  "noscript", "nav",    "footer", "aside",   "template",
    "svg",    "select", "button",   "option", "iframe", "textarea"};
constexpr std::array<std::string_view, 28> kBlocks = {
    "p",      "div",  "br",   "li",    "ul",    "ol",      "tr",      "table",  "hr", "h1",
    "h2",     "h3",   "h4",   "h5",    "h6",    "section", "article", "dl",     "dt", "dd",
    "header", "main", "form", "tbody", "thead", "body",    "summary", "details"};

template <class List>
bool has(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

class Page {
 public:
  Page(Part& part, std::string& title, std::uint64_t first_line, std::size_t room)
      : part_(part), title_(title), first_line_(first_line), room_(room) {}
  void set_parser(htmlParserCtxtPtr parser) { parser_ = parser; }

  void start(std::string_view name) {
    if (has(kHidden, name)) ++hidden_;
    if (name == "title") in_title_ = true;
    if (name == "h1" && !title_found_) in_heading_ = true;
    if (name == "a") ++links_;
    if (has(kBlocks, name) || name == "pre" || name == "blockquote") end_line();
    if (name == "pre") ++pre_;
    if (name == "blockquote") ++quotes_;
    if (name == "li" && pre_ == 0) append("- ");
    if ((name == "td" || name == "th") && !line_.empty()) append(" | ");
  }

  void end(std::string_view name) {
    if (has(kHidden, name) && hidden_ > 0) --hidden_;
    if (name == "title") in_title_ = false;
    if (name == "h1" && in_heading_) {
      in_heading_ = false;
      title_found_ = !title_.empty();
    }
    if (name == "a" && links_ > 0) --links_;
    if (has(kBlocks, name) || name == "pre" || name == "blockquote") end_line();
    if (name == "p" || name == "pre" || name == "table") blank_line();
    if (name == "pre" && pre_ > 0) --pre_;
    if (name == "blockquote" && quotes_ > 0) --quotes_;
  }

  void text(std::string_view bytes) {
    if (in_title_ && !title_found_) {
      if (title_.size() < 512) title_ += bytes.substr(0, 512);
      return;
    }
    if (hidden_ > 0) return;
    if (in_heading_) {
      if (!heading_begun_) title_.clear();
      heading_begun_ = true;
      if (title_.size() < 512) title_ += bytes.substr(0, 512);
    }
    if (pre_ > 0) return preformatted(bytes);
    for (const char c : bytes) {
      const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
      if (!blank)
        put(c);
      else if (!line_.empty() && line_.back() != ' ')
        put(' ');
    }
  }

  void end_line() {
    if (hidden_ > 0) return;
    if (!trimmed(line_).empty()) push();
    reset();
  }

 private:
  // A line of text that leads elsewhere is a neighbour's title, or a menu.
  bool navigation() const { return pre_ == 0 && link_bytes_ * 2 > line_.size(); }

  void preformatted(std::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        put(c);
        continue;
      }
      if (number_ == 0) note_number();
      push();
      reset();
    }
  }

  void append(std::string_view text) {
    for (const char c : text) put(c);
  }
  void put(char c) {
    if (hidden_ > 0 || line_.size() >= Limits::kLine) return;
    if (line_.empty()) note_number();
    line_ += c;
    if (links_ > 0) ++link_bytes_;
  }
  void note_number() {
    const int at = xmlSAX2GetLineNumber(parser_);
    number_ = first_line_ + static_cast<std::uint64_t>(std::max(at, 1)) - 1;
  }
  void push() {
    if (navigation()) return;
    if (room_ <= line_.size()) {
      part_.cut = true;
      return;
    }
    room_ -= line_.size() + 1;
    for (std::size_t at = 0; (at = line_.find("\xc2\xa0", at)) != line_.npos;)
      line_.replace(at, 2, " ");
    std::string_view text = line_;
    const int quotes = take_quotes(text);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
    part_.lines.push_back({std::string(text), number_, quotes + quotes_});
  }
  void blank_line() {
    if (hidden_ > 0 || part_.lines.empty() || part_.lines.back().text.empty()) return;
    part_.lines.push_back({"", part_.lines.back().number, quotes_});
  }
  void reset() {
    line_.clear();
    link_bytes_ = 0;
    number_ = 0;
  }

  Part& part_;
  std::string& title_;
  std::uint64_t first_line_;
  std::size_t room_;
  htmlParserCtxtPtr parser_ = nullptr;
  std::string line_;
  std::uint64_t number_ = 0;
  std::size_t link_bytes_ = 0;
  int hidden_ = 0, pre_ = 0, links_ = 0, quotes_ = 0;
  bool in_title_ = false, in_heading_ = false, title_found_ = false, heading_begun_ = false;
};

std::string_view text_of(const xmlChar* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}
void on_start(void* page, const xmlChar* name, const xmlChar**) {
  static_cast<Page*>(page)->start(text_of(name));
}
void on_end(void* page, const xmlChar* name) { static_cast<Page*>(page)->end(text_of(name)); }
void on_text(void* page, const xmlChar* text, int size) {
  static_cast<Page*>(page)->text(
      {reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)});
}

}  // namespace

void read_page(std::string_view html, std::uint64_t first_line, std::size_t room, Part& part,
               std::string& title) {
  htmlSAXHandler handler{};
  handler.startElement = on_start;
  handler.endElement = on_end;
  handler.characters = on_text;
  handler.ignorableWhitespace = on_text;
  handler.cdataBlock = on_text;
  Page page(part, title, first_line, room);
  const std::unique_ptr<htmlParserCtxt, decltype(&htmlFreeParserCtxt)> parser(
      htmlCreatePushParserCtxt(&handler, &page, nullptr, 0, nullptr, XML_CHAR_ENCODING_UTF8),
      htmlFreeParserCtxt);
  if (!parser) return;
  page.set_parser(parser.get());
  htmlCtxtUseOptions(parser.get(), HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                       HTML_PARSE_NONET);
  // Line by line: the parser then knows where it stands.
  while (!html.empty()) {
    const std::size_t end = html.find('\n');
    const std::size_t size =
        std::min({end == html.npos ? html.size() : end + 1, html.size(), std::size_t{1} << 16});
    htmlParseChunk(parser.get(), html.data(), static_cast<int>(size), 0);
    html.remove_prefix(size);
  }
  htmlParseChunk(parser.get(), nullptr, 0, 1);
  page.end_line();
  title = std::string(trimmed(title));
  std::ranges::replace(title, '\n', ' ');
}

}  // namespace ktrial::mail
