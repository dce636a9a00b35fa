#include "harness/vm/libvirt/connection.h"

#include <libvirt/virterror.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>

#include "harness/vm/libvirt/events.h"
#include "harness/vm/libvirt/ssh.h"

namespace ktrial::vm {
namespace {

int limit_signal() { return SIGRTMIN + 3; }

// What is to be broken when the time is over.
struct Target {
  bool opening;  // a connection that is not there yet, and:
  int socket;    // -
  Pids helpers;  // whom this thread had as children before
  pid_t thread;

  int socket_now() const { return opening ? newest_libvirt_descriptor() : socket; }
  Pids helpers_now() const {
    return opening ? newcomers(children_of(::getpid(), thread), helpers) : helpers;
  }
};
std::atomic<const Target*> g_target = nullptr;
std::atomic<bool> g_expired = false;

void on_limit(int) {
  const int saved = errno;
  g_expired = true;
  if (const Target* target = g_target) {
    if (const int socket = target->socket_now(); socket >= 0) ::shutdown(socket, SHUT_RDWR);
    kill_with_children(target->helpers_now());
  }
  errno = saved;
}

void watch_for_limits() {
  static const bool installed = [] {
    struct sigaction action{};
    action.sa_handler = on_limit;
    action.sa_flags = SA_RESTART;
    return ::sigaction(limit_signal(), &action, nullptr) == 0;
  }();
  (void)installed;
}

std::string hint_for(const virError& error) {
  switch (error.code) {
    case VIR_ERR_SYSTEM_ERROR:
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
      if (error.domain == VIR_FROM_RPC || error.domain == VIR_FROM_REMOTE ||
          error.code != VIR_ERR_SYSTEM_ERROR)
        return "is libvirtd running there, and may you use it? try `virsh -c URI version`, or "
               "another --connect URI";
      return "";
    default:
      return "";
  }
}

}  // namespace

struct LibvirtConnection::Limit::Timer {
  Target target;
  timer_t id{};
  bool set = false;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  // Then again and again: at the first time there may be no socket yet.
  void fire_in(std::chrono::milliseconds time) const {
    const auto ms = std::max<long>(1, time.count());
    const itimerspec when{.it_interval = {0, 100'000'000},
                          .it_value = {ms / 1000, (ms % 1000) * 1'000'000}};
    if (set) ::timer_settime(id, 0, &when, nullptr);
  }
};

LibvirtConnection::Limit::Limit(std::optional<Parts> parts, Patience patience, std::stop_token stop)
    : timer_(std::make_unique<Timer>()) {
  watch_for_limits();
  const pid_t thread = ::gettid();
  timer_->target = parts ? Target{false, parts->socket, parts->helpers, thread}
                         : Target{true, -1, children_of(::getpid(), thread), thread};
  g_expired = false;
  g_target = &timer_->target;
  struct sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = limit_signal();
  timer_->set = ::timer_create(CLOCK_MONOTONIC, &event, &timer_->id) == 0;
  timer_->fire_in(patience);
  timer_->on_stop.emplace(std::move(stop), [timer = timer_.get()] { timer->fire_in(Patience(0)); });
}

LibvirtConnection::Limit::~Limit() {
  timer_->on_stop.reset();  // waits for one that runs
  g_target = nullptr;
  if (timer_->set) ::timer_delete(timer_->id);
}

bool LibvirtConnection::Limit::expired() const { return g_expired; }

LibvirtConnection::Parts LibvirtConnection::Limit::parts() const {
  return {timer_->target.socket_now(), timer_->target.helpers_now()};
}

Error LibvirtConnection::error(const std::string& what, bool expired) {
  const virError* last = virGetLastError();
  if (expired) return {ErrorKind::environment, "libvirt did not answer in time while " + what, ""};
  if (last == nullptr || last->message == nullptr)
    return {ErrorKind::environment, "libvirt failed while " + what + " and gave no reason", ""};
  return {ErrorKind::environment, what + ": " + last->message, hint_for(*last)};
}

Error LibvirtConnection::opening_error(const std::string& uri, bool expired) {
  Error out = error("connecting to " + uri, expired);
  if (expired)
    out.hint = "its libvirtd may be stopped, or its host overloaded or gone: does `virsh -c '" +
               uri + "' version` answer?";
  if (is_over_ssh(uri)) {
    out.hint = ssh_hint(uri, out.message);
    out.message = in_one_line(out.message);
  }
  return out;
}

Result<LibvirtConnection> LibvirtConnection::open(boost::asio::io_context& io,
                                                  const std::string& uri, Patience patience,
                                                  std::stop_token stop) {
  use_libvirt_events(io);
  const Limit limit(std::nullopt, patience, stop);
  const OwnSessions own_sessions(asks_nothing(uri));
  std::unique_ptr<virConnect, LibvirtFree> connection(virConnectOpen(uri.c_str()));
  if (!connection) return std::unexpected(opening_error(uri, limit.expired()));
  return LibvirtConnection(std::move(connection), limit.parts(), std::move(stop));
}

}  // namespace ktrial::vm
