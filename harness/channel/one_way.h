// A channel over which the host says nothing: what it would say, a deterministic guest has in its
// initramfs (guest/wire/script.h). A byte at a time of the host's choosing would be another run.
#pragma once

#include <memory>

#include "harness/channel/channel.h"

namespace ktrial::channel {

std::unique_ptr<Channel> one_way(std::unique_ptr<Channel> channel);

}  // namespace ktrial::channel
