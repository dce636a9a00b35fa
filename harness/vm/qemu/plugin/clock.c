/* Preloaded into the QEMU of a deterministic machine: its wall clock stands.
 *
 * One thing that a guest can see hangs on the host's time even under -icount. A vCPU's TLB grows by
 * what the guest uses, and shrinks by what it used in the last 100 ms of the host's clock
 * (tlb_mmu_resize_locked(), accel/tcg/cputlb.c). In a smaller one entries are pushed out sooner.
 * Where a page table has changed and the flush is still to come, an entry that is there goes on to
 * hold and one that is not is read anew: a page fault more, or less. */
#include <sys/time.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  *time = (struct timeval){1767225600, 0}; /* 2026-01-01, as the guest's (-rtc) */
  return 0;
}
