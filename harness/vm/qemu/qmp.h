// QMP client over a connected stream socket. The protocol: one JSON object a
// line, a greeting first; docs/interop/qmp-spec.txt in QEMU's source.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::vm {

class Qmp {
 public:
  using Patience = std::chrono::milliseconds;
  // Called for each event: its name and data.
  using EventHandler = std::function<void(const std::string&, const nlohmann::json&)>;

  // Owns `socket`. The negotiation (qmp_capabilities) is sent at once; QEMU
  // answers when its main loop runs.
  Qmp(boost::asio::io_context& io, Fd socket, EventHandler on_event);
  ~Qmp();

  // Sends a command and runs the io_context until its answer, so events may be
  // delivered meanwhile. A late answer is dropped.
  Result<nlohmann::json> execute(const std::string& command, const nlohmann::json& arguments,
                                 Patience patience);
  // The same, of a command that takes a descriptor: getfd, add-fd. Ours stays open.
  Status pass(const std::string& command, const nlohmann::json& arguments, int fd,
              Patience patience);
  // Sends a command and waits for nothing.
  void tell(const std::string& command);
  // The human monitor's answer to `line`.
  Result<std::string> human(const std::string& line, Patience patience);

 private:
  Result<nlohmann::json> answer_to(std::uint64_t id, const std::string& command, Patience patience);
  struct State;
  boost::asio::io_context& io_;
  std::shared_ptr<State> state_;
};

}  // namespace ktrial::vm
