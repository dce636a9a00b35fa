// The host's side of a workload that listens on AF_VSOCK: connects again and
// again, reads one line, closes. Connection errors are counted, not reported:
// the workload itself judges what it served.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "harness/channel/channel.h"

namespace ktrial::trial {

class VsockPeer {
 public:
  // `channel` must outlive it.
  VsockPeer(boost::asio::io_context& io, channel::Channel& channel, std::uint32_t port);
  ~VsockPeer();
  VsockPeer(const VsockPeer&) = delete;
  VsockPeer& operator=(const VsockPeer&) = delete;
  std::string summary() const;  // "123 connections served, 4 refused"

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ktrial::trial
