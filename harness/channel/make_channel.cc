#include "harness/channel/make_channel.h"

#include <cstdlib>

#include "harness/channel/streams.h"

namespace ktrial::channel {

Result<std::unique_ptr<Channel>> make_channel(boost::asio::io_context& io, Kind kind,
                                              const std::filesystem::path& scratch) {
  if (auto error = why_unusable(kind)) return std::unexpected(std::move(*error));
  switch (kind) {
    case Kind::vhost_vsock:
      return make_vhost_vsock(io);
    case Kind::vhost_user_vsock:
      return make_vhost_user_vsock(io, scratch);
    case Kind::virtio_serial:
      return make_virtio_serial(io);
  }
  std::abort();
}

}  // namespace ktrial::channel
