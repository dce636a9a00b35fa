// A deterministic guest is told nothing: what the host would say lies in its initramfs, as messages
// of the wire in their order. After a Run the next one waits until that has ended.
#pragma once

namespace ktrial::wire {

inline constexpr char kScript[] = "/ktrial-script";

}  // namespace ktrial::wire
