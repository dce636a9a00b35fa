// More terminals into a guest that has a shell: its owner lends the ports of one to whoever
// connects to a socket in the run's folder. What is lent are the descriptors themselves: no byte
// goes through the owner, and a session whose user went away stays as it is, to be lent again.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/base/fd.h"
#include "harness/base/result.h"

namespace ktrial::interactive {

inline constexpr char kSocket[] = "shell.sock";  // in the run's folder

struct SessionPorts {
  Fd bytes, control;
};

class Sessions {
 public:
  // Listens until it is destroyed. `io` must outlive it.
  static Result<std::unique_ptr<Sessions>> open(boost::asio::io_context& io,
                                                const std::filesystem::path& folder,
                                                std::vector<SessionPorts> ports);
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

 private:
  using Socket = boost::asio::local::stream_protocol::socket;
  enum class Use { unused, lent, left };
  struct Session {
    SessionPorts ports;
    Use use = Use::unused;
  };
  Sessions(boost::asio::io_context& io, std::filesystem::path socket,
           std::vector<SessionPorts> ports);
  void accept();
  void lend(std::shared_ptr<Socket> to);
  void watch(std::shared_ptr<Socket> user, std::size_t number);

  boost::asio::io_context& io_;
  const std::filesystem::path socket_;
  std::vector<Session> sessions_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// One session, lent: until `connection` is closed.
struct Lent {
  SessionPorts ports;
  int number = 0;
  bool again = false;  // its shell is there already
  Fd connection;
};
// ErrorKind::usage where nobody listens, or all sessions are in use.
Result<Lent> borrow_session(const std::filesystem::path& folder);
// The shell in it has ended: its place is free.
void give_back(const Lent& session);

}  // namespace ktrial::interactive
