// A VM that follows a script: for tests of everything that talks to a Vm.
#pragma once

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <vector>

#include "harness/vm/vm.h"

namespace ktrial::vm {

class FakeVm final : public Vm {
 public:
  struct Step {
    std::chrono::milliseconds after{0};  // since the step before
    VmEvent event;
  };
  FakeVm(boost::asio::io_context& io, std::vector<Step> script)
      : script_(std::move(script)), timer_(io) {}

  Status start(Sink sink) override {
    sink_ = std::move(sink);
    step(0);
    return {};
  }
  Result<Fd> take_port(const std::string& port_name) override {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      return fail(ErrorKind::environment, "socketpair");
    guest_ends[port_name].reset(ends[1]);
    return Fd(ends[0]);
  }
  Result<std::vector<VcpuSample>> sample_vcpus(std::chrono::milliseconds) override {
    return samples;
  }
  Status pause(std::chrono::milliseconds) override { return {}; }
  Status resume(std::chrono::milliseconds) override { return {}; }
  Result<GuestRam> ram(std::chrono::milliseconds) override {
    return fail(ErrorKind::environment, "a scripted VM has no RAM");
  }
  Status inject_nmi(std::chrono::milliseconds) override {
    ++nmis;
    return {};
  }
  Result<std::string> status(std::chrono::milliseconds) override { return "running"; }
  void destroy() override {
    timer_.cancel();
    sink_ = nullptr;
  }
  pid_t process() const override { return 0; }
  std::vector<pid_t> vcpu_threads() const override { return {}; }
  std::string shell_command() const override { return "fake\n"; }

  std::map<std::string, Fd> guest_ends;  // what the guest would hold
  std::vector<VcpuSample> samples;
  int nmis = 0;

 private:
  void step(std::size_t index) {
    if (index >= script_.size()) return;
    timer_.expires_after(script_[index].after);
    timer_.async_wait([this, index](auto error) {
      if (error || !sink_) return;
      sink_(script_[index].event);
      step(index + 1);
    });
  }
  std::vector<Step> script_;
  boost::asio::steady_timer timer_;
  Sink sink_;
};

}  // namespace ktrial::vm
