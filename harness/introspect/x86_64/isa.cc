#include "harness/introspect/x86_64/isa.h"

#include <elf.h>

#include "harness/introspect/x86_64/call_frames.h"
#include "harness/introspect/x86_64/core.h"
#include "harness/introspect/x86_64/orc_search.h"
#include "harness/introspect/x86_64/page_tables.h"
#include "harness/introspect/x86_64/stack.h"

namespace ktrial::introspect::x86_64 {

// Areas: Documentation/arch/x86/x86_64/mm.rst; the image's is KERNEL_IMAGE_SIZE with KASLR, and
// that of modules begins where the one without ends.
constinit const Isa kIsa = {
    .name = "x86_64",
    .image = {0xffffffff80000000, 0xffffffffc0000000},
    .modules = {0xffffffffa0000000, 0xffffffffff000000},
    .page_tables = Tables::of_kernel,
    .unwinder = make_unwinder,
    .call_frames = call_frames,
    .find_unwind_data = find_orc_tables,
    .direct_map = direct_map,
    .elf_machine = EM_X86_64,
    .prstatus = prstatus,
};

}  // namespace ktrial::introspect::x86_64
