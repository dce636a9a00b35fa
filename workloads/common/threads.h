// Threads with small stacks (a storm makes many), pinned where it matters.
#pragma once

#include <pthread.h>

#include <vector>

namespace ktrial::workload {

// The CPUs that we may run on, ascending.
std::vector<int> allowed_cpus();
bool pin_to_cpu(int cpu);  // the calling thread

// Both exit with kCannotRun (EAGAIN: the guest is too small) rather than return
// an error: no workload can go on without its threads.
pthread_t start_thread(void* (*body)(void*), void* argument);
// As above; the thread begins its life on `cpu`. Negative: any CPU.
pthread_t start_thread_on(int cpu, void* (*body)(void*), void* argument);

}  // namespace ktrial::workload
