// libvirt's event loop inside Asio's: its descriptors and timers (virEventRegisterImpl,
// libvirt-event.h) are waited for by an io_context. One thread, no polling.
#pragma once

#include <boost/asio/io_context.hpp>

namespace ktrial::vm {

// libvirt has one event loop a process. From here on, what it registers goes to `io`,
// which must outlive every connection opened meanwhile.
void use_libvirt_events(boost::asio::io_context& io);

// The descriptor that libvirt registered last since then; -1 if none. While a connection is being
// opened this is its socket, which libvirt shows nowhere else. Safe in a signal handler.
int newest_libvirt_descriptor();

}  // namespace ktrial::vm
