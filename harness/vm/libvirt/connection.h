// A connection to libvirtd. Its calls block; each has a patience all the same.
//
// libvirt's client waits for an answer as long as it takes, and a stopped QEMU never lets
// libvirtd answer. So a POSIX timer's signal shuts the connection's socket down when the
// patience is over, and ends the ssh behind it if there is one (libvirt_helpers.h): the
// call then fails, and the connection is lost. What must survive
// that (a domain that dies with its connection) belongs on a connection of its own.
#pragma once

#include <libvirt/libvirt.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "harness/base/result.h"
#include "harness/vm/libvirt/helpers.h"

namespace ktrial::vm {

struct LibvirtFree {
  void operator()(virConnectPtr p) const { virConnectClose(p); }
  void operator()(virDomainPtr p) const { virDomainFree(p); }
  void operator()(virStreamPtr p) const { virStreamFree(p); }
  void operator()(virStoragePoolPtr p) const { virStoragePoolFree(p); }
  void operator()(virStorageVolPtr p) const { virStorageVolFree(p); }
};
using DomainHandle = std::unique_ptr<virDomain, LibvirtFree>;
using StreamHandle = std::unique_ptr<virStream, LibvirtFree>;
using StoragePoolHandle = std::unique_ptr<virStoragePool, LibvirtFree>;
using StorageVolHandle = std::unique_ptr<virStorageVol, LibvirtFree>;

class LibvirtConnection {
 public:
  using Patience = std::chrono::milliseconds;
  // `stop`, of another thread, ends the wait; calls take it over.
  static Result<LibvirtConnection> open(boost::asio::io_context& io, const std::string& uri,
                                        Patience patience, std::stop_token stop = {});
  virConnectPtr get() const { return connection_.get(); }

  // Runs `action`, which makes blocking libvirt calls on this connection and is false (or
  // null, or negative) on failure; `what` is for the error ("starting the domain").
  template <class Action>
  auto call(const std::string& what, Patience patience, Action action)
      -> Result<decltype(action())> {
    const Limit limit(parts_, patience, stop_);
    auto value = action();
    if (failed(value)) return std::unexpected(error(what, limit.expired()));
    return value;
  }

 private:
  // What a connection is made of.
  struct Parts {
    int socket;    // libvirt's
    Pids helpers;  // programs that libvirt started for it
  };
  // The time limit on what this thread does next.
  class Limit {
   public:
    // No parts: those that libvirt makes next.
    Limit(std::optional<Parts> parts, Patience patience, std::stop_token stop);
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;
    ~Limit();
    bool expired() const;
    Parts parts() const;

   private:
    struct Timer;
    std::unique_ptr<Timer> timer_;
  };
  static bool failed(int value) { return value < 0; }
  template <class T>
  static bool failed(const std::unique_ptr<T, LibvirtFree>& value) {
    return value == nullptr;
  }
  static Error error(const std::string& what, bool expired);
  static Error opening_error(const std::string& uri, bool expired);
  LibvirtConnection(std::unique_ptr<virConnect, LibvirtFree> connection, Parts parts,
                    std::stop_token stop)
      : connection_(std::move(connection)), parts_(parts), stop_(std::move(stop)) {}

  std::unique_ptr<virConnect, LibvirtFree> connection_;
  Parts parts_;
  std::stop_token stop_;
};

// To a URI as the user named it, over ssh with no_tty=1; empty is $LIBVIRT_DEFAULT_URI, else
// qemu:///system for root and qemu:///session for others. An error if it does not lead to QEMU.
std::string libvirt_uri(const std::string& named);
Result<LibvirtConnection> open_libvirt(boost::asio::io_context& io, const std::string& uri,
                                       LibvirtConnection::Patience patience,
                                       std::stop_token stop = {});
std::string libvirt_version_text(unsigned long version);  // "9.0.0"

}  // namespace ktrial::vm
