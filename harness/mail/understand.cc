#include "harness/mail/understand.h"

#include <algorithm>
#include <set>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/console/decoding.h"
#include "harness/console/frames.h"
#include "harness/console/kinds.h"
#include "harness/mail/flow.h"
#include "harness/mail/mime.h"
#include "harness/mail/page.h"
#include "harness/mail/rank.h"
#include "harness/mail/splitter.h"
#include "harness/mail/unpack.h"

namespace ktrial::mail {
namespace {

// Threads and mails that are remembered; a list's month is larger, a report is not.
constexpr std::size_t kMaxThreads = 512, kMaxMails = 256;

// "Re: [PATCH v2] x" and "x" are one thread where ids are missing.
std::string bare_subject(std::string_view subject) {
  static const RE2 kMark(R"((?i)^\s*((re|fwd?|aw|sv)\s*:|\[[^\]]{0,60}\])\s*)");
  while (consume(subject, kMark)) {
  }
  return std::string(trimmed(subject).substr(0, 200));
}

// What a page or a saved thread says of itself: "Subject: x" in its first lines.
void read_own_head(Message& message) {
  static const RE2 kField(R"(^\s*(?:- )?(Subject|From|Date|Message-ID|In-Reply-To):\s+(\S.*))");
  static const RE2 kDate(
      R"((\d{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* (\d{4}))");
  static const RE2 kIso(R"(\b((?:19|20)\d\d-[01]\d-[0-3]\d)\b)");
  static const RE2 kReply(R"((?i)^\s*(re|aw|sv)\s*:)");
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  int seen = 0;
  for (const Part& part : message.parts)
    for (const TextLine& line : part.lines) {
      if (++seen > 120) return;
      std::string_view name, value;
      if (!partial_match(std::string_view(line.text).substr(0, 600), kField, &name, &value))
        continue;
      value = trimmed(value);
      if (name == "Subject" && message.subject.empty()) message.subject = value;
      if (name == "Subject" && partial_match(value, kReply)) message.reply = true;
      if (name == "In-Reply-To") message.reply = true;
      std::string_view day, month, year;
      if (name != "Date" || !message.date.empty()) continue;
      if (partial_match(value, kDate, &day, &month, &year)) {
        const auto at = kMonths.find(month) / 3 + 1;
        char out[32];
        std::snprintf(out, sizeof out, "%.*s-%02d-%02d", 4, std::string(year).c_str(),
                      static_cast<int>(at), to_number<int>(day).value_or(1));
        message.date = out;
      } else if (partial_match(value, kIso, &day)) {
        message.date = day;
      }
    }
}

Message read_plain(const Piece& piece, const std::string& file) {
  Message message;
  message.first_line = piece.first_line;
  Part& part = message.parts.emplace_back();
  part.first_line = piece.first_line;
  if (piece.form == Form::page) {
    read_page(piece.bytes, piece.first_line, Limits::kPart, part, message.subject);
  } else {
    if (file.ends_with(".c")) {
      part.attachment = true;
      part.name = harmless_name(file);
    }
    console::Utf16 utf16;
    LineMaker lines(part, {}, Limits::kPart);
    std::string_view rest = piece.bytes;
    for (std::uint64_t number = piece.first_line; !rest.empty(); ++number) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end == rest.npos ? end : end + 1);
      lines.feed(utf16.decode(line), number);
      rest.remove_prefix(line.size());
    }
    lines.finish();
  }
  if (part.cut || piece.cut)
    message.notes.push_back("the text is too large: only its beginning was read");
  static const RE2 kReply(R"((?i)^\s*(re|aw|sv)\s*:)");
  message.reply = partial_match(message.subject, kReply);
  read_own_head(message);
  return message;
}

// "To quote from the ticket:", of a mail that hands a report on.
bool hands_on(const std::vector<Sheet>& sheets) {
  static const RE2 kWords(
      R"((?i)\b(to quote (from|the)|quoting (from|the)|(i am|i'm) forwarding|forwarding (this|a|the)|forwarded (this|from)|the (reporter|report|ticket) (says|said|wrote|reads))\b)");
  for (const Sheet& sheet : sheets)
    for (const Paragraph& paragraph : sheet.paragraphs)
      if (paragraph.quotes == 0 && partial_match(paragraph.text, kWords)) return true;
  return false;
}

// What is known of a mail when its text is gone.
struct Read {
  Facts prose;
  std::vector<Candidate> candidates;  // failures, each with what its log says
};

struct Thread {
  std::string subject, date;
  std::set<std::string> ids;
  std::string bare;
  std::vector<Read> mails;
  std::vector<std::string> notes;
  bool failed() const {
    return std::ranges::any_of(mails, [](const Read& mail) {
      return std::ranges::any_of(mail.candidates,
                                 [](const Candidate& c) { return !c.failure.foreign; });
    });
  }
  std::size_t facts() const {
    std::size_t n = 0;
    for (const Read& mail : mails) n += mail.prose.all.size();
    return n;
  }
};

}  // namespace

class Reader::Impl {
 public:
  void begin(std::string_view name) {
    end_file();
    file_ = name;
    splitter_ = std::make_unique<Splitter>([this](Piece piece) { take(std::move(piece)); });
  }
  void feed(std::string_view bytes) { splitter_->feed(bytes); }

  Understanding finish() {
    end_file();
    Understanding out;
    Thread* chosen = choose(out.notes);
    if (chosen == nullptr) {
      out.notes.push_back("there is nothing to read");
      return out;
    }
    out.subject = chosen->subject;
    out.date = chosen->date;
    std::ranges::copy(chosen->notes, std::back_inserter(out.notes));
    std::vector<Facts> prose;
    std::vector<Candidate> candidates;
    for (Read& mail : chosen->mails) {
      prose.push_back(std::move(mail.prose));
      std::ranges::move(mail.candidates, std::back_inserter(candidates));
    }
    combine(std::move(prose), std::move(candidates), out);
    return out;
  }

 private:
  void end_file() {
    if (splitter_) splitter_->finish();
    splitter_.reset();
    ++files_;
  }

  void take(Piece piece) {
    std::vector<Message> messages;
    if (piece.form == Form::mail)
      messages = read_mail(piece);
    else
      messages.push_back(read_plain(piece, file_));
    piece.bytes = {};
    for (const Message& message : messages) read(message, piece.form == Form::mail);
  }

  void read(const Message& message, bool is_mail) {
    Thread* thread = thread_of(message, is_mail);
    if (thread == nullptr) return;
    std::ranges::copy(message.notes, std::back_inserter(thread->notes));
    if (thread->mails.size() >= kMaxMails) return;
    Scan scan{.message = &message, .index = static_cast<int>(thread->mails.size())};
    for (const Part& part : message.parts) scan.sheets.push_back(read_sheet(part));
    scan.forwards = hands_on(scan.sheets);
    Read& out = thread->mails.emplace_back();
    read_kernels(scan, out.prose);
    read_machine(scan, out.prose);
    read_configs(scan, out.prose);
    read_work(scan, out.prose);
    read_commits(scan, out.prose);
    read_words(scan, out.prose);
    out.candidates = candidates_of(scan);
  }

  Thread* thread_of(const Message& message, bool is_mail) {
    // What stands beside a mail (a log, a program) belongs to it.
    if (!is_mail && !threads_.empty()) return &threads_.front();
    const std::string bare = bare_subject(message.subject);
    for (Thread& thread : threads_) {
      const bool answers = std::ranges::any_of(
          message.references, [&](const std::string& id) { return thread.ids.contains(id); });
      const bool same = (!bare.empty() && bare == thread.bare) ||
                        (!message.id.empty() && thread.ids.contains(message.id)) ||
                        (bare.empty() && message.parts.empty());
      if (answers || same) return join(thread, message);
    }
    // The oldest one without a failure makes room: a mailbox is larger than what is remembered.
    if (threads_.size() >= kMaxThreads) {
      more_threads_ = true;
      const auto quiet =
          std::ranges::find_if(threads_, [](const Thread& t) { return !t.failed(); });
      if (quiet == threads_.end()) return nullptr;
      threads_.erase(quiet);
    }
    Thread& thread = threads_.emplace_back();
    thread.subject = message.subject;
    thread.date = message.date;
    thread.bare = bare;
    return join(thread, message);
  }
  Thread* join(Thread& thread, const Message& message) {
    if (thread.ids.size() < 1024) {
      if (!message.id.empty()) thread.ids.insert(message.id);
      thread.ids.insert(message.references.begin(), message.references.end());
    }
    return &thread;
  }

  Thread* choose(std::vector<std::string>& notes) {
    Thread* best = nullptr;
    for (Thread& thread : threads_)
      if (!best || std::pair(thread.failed(), thread.failed() ? 0 : thread.facts()) >
                       std::pair(best->failed(), best->failed() ? 0 : best->facts()))
        best = &thread;
    const auto failed = std::ranges::count_if(threads_, [](const Thread& t) { return t.failed(); });
    if (best && threads_.size() > 1)
      notes.push_back(std::to_string(threads_.size()) +
                      (more_threads_ ? " threads and more, " : " threads, ") +
                      std::to_string(failed) + " of them with a failure; taken: " + best->subject);
    return best;
  }

  std::unique_ptr<Splitter> splitter_;
  std::string file_;
  std::vector<Thread> threads_;
  int files_ = 0;
  bool more_threads_ = false;
};

const Fact* Understanding::find(std::string_view field) const {
  const auto found = std::ranges::find(facts, field, &Fact::field);
  return found == facts.end() ? nullptr : &*found;
}

std::vector<const Fact*> Understanding::find_all(std::string_view field) const {
  std::vector<const Fact*> out;
  for (const Fact& fact : facts)
    if (fact.field == field) out.push_back(&fact);
  return out;
}

Reader::Reader() : impl_(std::make_unique<Impl>()) {}
Reader::~Reader() = default;
void Reader::begin(std::string_view name) { impl_->begin(name); }
void Reader::feed(std::string_view bytes) { impl_->feed(bytes); }
Understanding Reader::finish() { return impl_->finish(); }

}  // namespace ktrial::mail
