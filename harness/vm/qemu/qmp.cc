#include "harness/vm/qemu/qmp.h"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/base/unix_socket.h"

namespace ktrial::vm {
namespace asio = boost::asio;
using nlohmann::json;

namespace {
constexpr std::size_t kMaxLine = 16u << 20;  // `info registers` of many vCPUs is the longest
}

struct Qmp::State : std::enable_shared_from_this<State> {
  State(asio::io_context& io, EventHandler handler) : socket(io), on_event(std::move(handler)) {}

  void read() {
    asio::async_read_until(socket, asio::dynamic_buffer(inbox, kMaxLine), '\n',
                           [self = shared_from_this()](auto error, std::size_t size) {
                             if (error) {
                               self->closed = true;
                               return;
                             }
                             std::string line = self->inbox.substr(0, size);
                             self->inbox.erase(0, size);
                             self->take(line);
                             if (!self->closed) self->read();
                           });
  }

  void take(const std::string& line) {
    json message = json::parse(line, nullptr, false);
    if (!message.is_object()) return;  // not ours to judge; the caller's deadline decides
    if (auto event = message.find("event"); event != message.end() && event->is_string()) {
      if (on_event) on_event(event->get<std::string>(), message.value("data", json::object()));
    } else if (auto id = message.find("id"); id != message.end() && id->is_number_unsigned()) {
      if (auto it = waiting.find(id->get<std::uint64_t>()); it != waiting.end())
        it->second = std::move(message);
    }
  }

  void send(json message) {
    outbox.push_back(message.dump() + "\n");
    if (outbox.size() == 1) write();
  }
  void write() {
    asio::async_write(socket, asio::buffer(outbox.front()),
                      [self = shared_from_this()](auto error, std::size_t) {
                        if (error) {
                          self->closed = true;
                          return;
                        }
                        self->outbox.pop_front();
                        if (!self->outbox.empty()) self->write();
                      });
  }

  asio::local::stream_protocol::socket socket;
  EventHandler on_event;
  std::string inbox;
  std::deque<std::string> outbox;
  std::map<std::uint64_t, json> waiting;  // id → answer; null until it came
  std::uint64_t next_id = 1;
  bool closed = false;
};

Qmp::Qmp(asio::io_context& io, Fd socket, EventHandler on_event)
    : io_(io), state_(std::make_shared<State>(io, std::move(on_event))) {
  state_->socket.assign(asio::local::stream_protocol(), socket.release());
  state_->read();
  state_->send({{"execute", "qmp_capabilities"}});
}

Qmp::~Qmp() {
  state_->closed = true;
  state_->on_event = nullptr;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
}

Result<json> Qmp::execute(const std::string& command, const json& arguments, Patience patience) {
  const std::uint64_t id = state_->next_id++;
  json message = {{"execute", command}, {"id", id}};
  if (!arguments.is_null()) message["arguments"] = arguments;
  state_->waiting[id] = nullptr;
  state_->send(std::move(message));
  return answer_to(id, command, patience);
}

Status Qmp::pass(const std::string& command, const json& arguments, int fd, Patience patience) {
  // A command that is answered: all before it was written.
  KTRIAL_TRY(execute("query-status", nullptr, patience));
  const std::uint64_t id = state_->next_id++;
  const json message = {{"execute", command}, {"id", id}, {"arguments", arguments}};
  state_->waiting[id] = nullptr;
  KTRIAL_TRY(send_with(state_->socket.native_handle(), message.dump() + "\n", {&fd, 1}));
  KTRIAL_TRY(answer_to(id, command, patience));
  return {};
}

Result<json> Qmp::answer_to(std::uint64_t id, const std::string& command, Patience patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (state_->waiting[id].is_null() && !state_->closed) {
    if (std::chrono::steady_clock::now() >= deadline) break;
    if (io_.stopped()) io_.restart();
    io_.run_one_until(deadline);
  }
  json answer = std::move(state_->waiting[id]);
  state_->waiting.erase(id);
  if (answer.is_null())
    return fail(ErrorKind::environment,
                "QEMU's monitor " + std::string(state_->closed ? "closed" : "did not answer") +
                    " while waiting for " + command);
  if (auto error = answer.find("error"); error != answer.end())
    return fail(ErrorKind::environment, command + ": " + error->value("desc", error->dump()));
  return answer.value("return", json::object());
}

void Qmp::tell(const std::string& command) { state_->send({{"execute", command}}); }

Result<std::string> Qmp::human(const std::string& line, Patience patience) {
  json answer = KTRIAL_TRY(execute("human-monitor-command", {{"command-line", line}}, patience));
  if (!answer.is_string()) return fail(ErrorKind::protocol, "QEMU's monitor: no text for " + line);
  return answer.get<std::string>();
}

}  // namespace ktrial::vm
