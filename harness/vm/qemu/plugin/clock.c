/* Preloaded into the QEMU of a deterministic machine: the host's time stays outside.
 *
 * Two things that a guest can see hang on it even under -icount, where many vCPUs share a thread:
 *
 * A vCPU's TLB grows by what the guest uses, and shrinks by what it used in the last 100 ms of the
 * host's clock (tlb_mmu_resize_locked(), accel/tcg/cputlb.c). In a smaller one entries are pushed
 * out sooner. Where a page table has changed and the flush is still to come, an entry that is there
 * goes on to hold and one that is not is read anew: a page fault more, or less. So the clock
 * stands.
 *
 * From QEMU 10.2 on the thread that frees what RCU readers may still use ends the turn of whatever
 * vCPU runs when it has waited for 50 ms, or for 30 pieces (wait_for_readers(), util/rcu.c):
 * another one runs next. So that thread, known by its name, never begins, and what it would free
 * stays until QEMU ends: maps of memory that PCI devices changed, tables of translations that grew.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  *time = (struct timeval){1767225600, 0}; /* 2026-01-01, as the guest's (-rtc) */
  return 0;
}

/* A thread of QEMU's gives itself its name before it does anything else. */
EXPORTED int pthread_setname_np(pthread_t thread, const char* name) {
  if (pthread_equal(thread, pthread_self()) && strcmp(name, "call_rcu") == 0)
    for (;;) pause();
  int (*const next)(pthread_t, const char*) =
      (int (*)(pthread_t, const char*))dlsym(RTLD_NEXT, "pthread_setname_np");
  return next(thread, name);
}
