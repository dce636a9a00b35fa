// The host's time-stamp counter, which TCG hands to the guest as it is.
#pragma once

namespace ktrial::vm {

// kHz, measured over a few milliseconds; 0 where there is no TSC. A microvm has
// neither PIT nor HPET to calibrate against, so its kernel must be told.
unsigned host_tsc_khz();

}  // namespace ktrial::vm
