// What a host has, as its libvirt tells.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <string>

#include "harness/base/result.h"

namespace ktrial::vm {

struct LibvirtHost {
  std::string name;             // as it calls itself
  int cpus = 0;                 // that are online
  std::int64_t memory_mib = 0;  // of it all
  std::int64_t free_mib = 0;    // now; 0: it does not tell
  std::string libvirt_version, qemu_version;
};

// Connects, asks, and closes; an error if it does not answer in time.
Result<LibvirtHost> libvirt_host(boost::asio::io_context& io, const std::string& uri);

}  // namespace ktrial::vm
