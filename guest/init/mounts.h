// The file systems that a kernel without a distribution needs from its init.
#pragma once

namespace ktrial::init {

// What must be there before the channel can be opened: /dev, /proc, /sys. Also
// makes sure that descriptors 0, 1 and 2 are open.
void mount_essential();
// The rest, for workloads: done after Hello, because boot to Hello is measured.
void mount_rest();

}  // namespace ktrial::init
