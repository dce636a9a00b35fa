// What must be known of the machine before its patched code can be judged.
#pragma once

namespace ktrial::workload {

// Whether a CPU may run code in a form that it had before it was patched.
//
// QEMU's TCG with a thread per vCPU may: a vCPU translates code while another
// writes to it, and keeps the old translation. Seen with QEMU 7.2: CPUs meet a
// breakpoint for ever that is not in memory any more. With one thread for all
// vCPUs (-accel tcg,thread=single) nothing is written while it is translated;
// the word ktrial.tcg=single on the kernel's command line says that it is so.
bool may_run_old_code();

}  // namespace ktrial::workload
