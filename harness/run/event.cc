#include "harness/run/event.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "harness/run/text_bytes.h"

namespace ktrial::run {
using Json = nlohmann::ordered_json;
namespace {

constexpr std::size_t kMaxOutput = 16u << 10;  // bytes a line; each is six at most when written
constexpr std::size_t kMaxText = 16u << 10;

constexpr std::array<std::string_view, 5> kErrorKinds = {"usage", "environment", "interrupted",
                                                         "protocol", "internal"};

std::string bounded(const std::string& text) { return text.substr(0, kMaxText); }

// ---- values -> JSON

void write(Json& out, const Begun& begun) {
  out["event"] = "begun";
  out["schema"] = kEventSchema;
  out["run"] = begun.run;
  out["directory"] = latin1_to_utf8(begun.directory.string());
}
void write(Json& out, const Step& step) {
  out["event"] = "step";
  out["text"] = bounded(step.text);
}
void write(Json& out, const Building& building) {
  out["event"] = "building";
  out["step"] = bounded(building.step);
  out["detail"] = bounded(building.detail);
  out["done"] = building.done;
  out["expected"] = building.expected;
  out["elapsed_s"] = building.elapsed.count();
  if (building.left) out["left_s"] = building.left->count();
}
void write(Json& out, const Output& output) {
  out["event"] = "output";
  out["stream"] = output.stream == wire::Stream::out ? "out" : "err";
  out["latin1"] = latin1_to_utf8(output.bytes);
}
void write(Json& out, const Progress& progress) {
  out["event"] = "progress";
  out["done"] = progress.done;
  out["total"] = progress.total;
  out["text"] = bounded(progress.text);
}
void write(Json& out, const Reported& reported) {
  out["event"] = "report";
  out["title"] = bounded(reported.title);
}
void write(Json& out, const TrialEnded& ended) {
  out["event"] = "trial";
  out["outcome"] = name(ended.outcome);
  out["title"] = bounded(ended.title);
  out["reason"] = bounded(ended.reason);
  out["duration_s"] = ended.duration_s;
}
void write(Json& out, const Made& made) {
  out["event"] = "made";
  out["kernel"] = latin1_to_utf8(made.kernel);
  out["problem"] = bounded(made.problem);
  out["log"] = latin1_to_utf8(made.log.string());
}
void write(Json& out, const Ended& ended) {
  out["event"] = "ended";
  out["exit"] = ended.exit;
  if (ended.error)
    out["error"] = {{"kind", kErrorKinds[static_cast<std::size_t>(ended.error->kind)]},
                    {"message", bounded(ended.error->message)},
                    {"hint", bounded(ended.error->hint)}};
}

std::string line_of(const Event& event) {
  Json out;
  // Times are seconds to the millisecond: a line is for people, too.
  out["t"] = std::round(event.at_s * 1000) / 1000;
  if (event.trial) out["trial"] = *event.trial;
  std::visit([&](const auto& what) { write(out, what); }, event.what);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// ---- JSON -> values

// Reads the values of one event; the first that is missing or wrong is kept.
class Fields {
 public:
  explicit Fields(const Json& json) : json_(json) {}
  const std::string& problem() const { return problem_; }

  std::string text(const char* key) {
    const Json* value = find(key);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
    return wrong(key, "must be a string"), "";
  }
  std::string bytes(const char* key) {
    auto out = utf8_to_latin1(text(key));
    if (!out) wrong(key, "holds characters beyond U+00FF");
    return out.value_or("");
  }
  double number(const char* key) {
    const Json* value = find(key);
    constexpr double kMost = 1e12;
    if (value != nullptr && value->is_number())
      if (const auto number = value->get<double>(); std::abs(number) < kMost) return number;
    return wrong(key, "must be a number"), 0;
  }
  template <std::integral T>
  T integer(const char* key) {
    const Json* value = find(key);
    if (value != nullptr && value->is_number_unsigned()) {
      const auto number = value->get<std::uint64_t>();
      if (std::in_range<T>(number)) return static_cast<T>(number);
    }
    return wrong(key, "must be an integer that is not negative"), T{};
  }
  template <std::size_t N>
  std::size_t one_of(const char* key, const std::array<std::string_view, N>& names) {
    const auto at = std::ranges::find(names, text(key));
    if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
    return wrong(key, "is none of the known ones"), 0;
  }
  bool has(const char* key) const { return json_.contains(key); }
  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  void wrong(const char* key, const char* what) {
    if (problem_.empty()) problem_ = std::string(key) + " " + what;
  }

 private:
  const Json& json_;
  std::string problem_;
};

constexpr std::array<std::string_view, 2> kStreams = {"out", "err"};

What read_begun(Fields& fields) {
  if (fields.integer<int>("schema") > kEventSchema) fields.wrong("schema", "is newer than ours");
  std::string run = fields.text("run");
  return Begun{std::move(run), fields.bytes("directory")};
}

What read_building(Fields& fields) {
  Building out{.step = fields.text("step"),
               .detail = fields.text("detail"),
               .done = fields.integer<unsigned>("done"),
               .expected = fields.integer<unsigned>("expected"),
               .elapsed = std::chrono::seconds(fields.integer<std::int64_t>("elapsed_s")),
               .left = {}};
  if (fields.has("left_s")) out.left = std::chrono::seconds(fields.integer<std::int64_t>("left_s"));
  return out;
}

What read_trial(Fields& fields) {
  TrialEnded out;
  if (const auto outcome = results::parse_outcome(fields.text("outcome")))
    out.outcome = *outcome;
  else
    fields.wrong("outcome", "is none of the known ones");
  out.title = fields.text("title");
  out.reason = fields.text("reason");
  out.duration_s = fields.number("duration_s");
  return out;
}

What read_ended(Fields& fields) {
  Ended out{.exit = fields.integer<int>("exit"), .error = {}};
  const Json* error = fields.find("error");
  if (error == nullptr) return out;
  if (!error->is_object()) return fields.wrong("error", "must be an object"), out;
  Fields inner(*error);
  const std::size_t kind = inner.one_of("kind", kErrorKinds);
  out.error = Error{static_cast<ErrorKind>(kind), inner.text("message"), inner.text("hint")};
  if (!inner.problem().empty()) fields.wrong("error", "has no kind, message and hint");
  return out;
}

What read_what(const std::string& event, Fields& fields) {
  if (event == "begun") return read_begun(fields);
  if (event == "step") return Step{fields.text("text")};
  if (event == "building") return read_building(fields);
  if (event == "output") {
    const bool err = fields.one_of("stream", kStreams) == 1;
    return Output{err ? wire::Stream::err : wire::Stream::out, fields.bytes("latin1")};
  }
  if (event == "progress") {
    const auto done = fields.integer<std::uint64_t>("done");
    const auto total = fields.integer<std::uint64_t>("total");
    return Progress{done, total, fields.text("text")};
  }
  if (event == "report") return Reported{fields.text("title")};
  if (event == "trial") return read_trial(fields);
  if (event == "made") {
    std::string kernel = fields.bytes("kernel"), problem = fields.text("problem");
    return Made{std::move(kernel), std::move(problem), fields.bytes("log")};
  }
  if (event == "ended") return read_ended(fields);
  fields.wrong("event", "is none of the known ones");
  return Step{};
}

std::unexpected<Error> no_event(std::string_view line, const std::string& why) {
  constexpr std::size_t kQuoted = 80;
  std::string shown;
  for (const char c : line.substr(0, kQuoted))
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return fail(ErrorKind::protocol, "no event: " + why + ": " + shown);
}

}  // namespace

bool Ended::operator==(const Ended& other) const {
  if (exit != other.exit || error.has_value() != other.error.has_value()) return false;
  return !error || (error->kind == other.error->kind && error->message == other.error->message &&
                    error->hint == other.error->hint);
}

std::vector<std::string> to_lines(const Event& event) {
  const auto* output = std::get_if<Output>(&event.what);
  if (output == nullptr || output->bytes.size() <= kMaxOutput) return {line_of(event)};
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < output->bytes.size(); at += kMaxOutput) {
    Event part = event;
    part.what = Output{output->stream, output->bytes.substr(at, kMaxOutput)};
    lines.push_back(line_of(part));
  }
  return lines;
}

Result<Event> parse_event(std::string_view line) {
  if (line.size() > kMaxLine) return no_event(line, "a line that is too long");
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return no_event(line, "not a JSON object");
  Fields fields(json);
  Event event{.at_s = fields.number("t"), .trial = {}, .what = Step{}};
  if (fields.has("trial")) event.trial = fields.integer<int>("trial");
  event.what = read_what(fields.text("event"), fields);
  if (!fields.problem().empty()) return no_event(line, fields.problem());
  return event;
}

bool EventReader::feed(std::string_view bytes) {
  while (!bytes.empty() && !error_) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > kMaxLine) {
      error_ = Error{ErrorKind::protocol,
                     "line " + std::to_string(number_ + 1) + ": is too long for an event"};
      return false;
    }
    bytes.remove_prefix(std::min(bytes.size(), part.size() + 1));
    if (end == std::string_view::npos) {
      line_ += part;
      break;
    }
    if (line_.empty()) {
      take(part);
    } else {
      take(line_ += part);
      line_.clear();
    }
  }
  return !error_;
}

bool EventReader::take(std::string_view line) {
  ++number_;
  auto event = parse_event(line);
  if (!event) {
    error_ = std::move(event).error().in("line " + std::to_string(number_));
    return false;
  }
  sink_(*event);
  return true;
}

}  // namespace ktrial::run
