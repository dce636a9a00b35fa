#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>

#include "harness/channel/channel.h"

namespace ktrial::channel {

// `scratch` is a private directory for sockets; it outlives the channel.
Result<std::unique_ptr<Channel>> make_channel(boost::asio::io_context& io, Kind kind,
                                              const std::filesystem::path& scratch);

}  // namespace ktrial::channel
