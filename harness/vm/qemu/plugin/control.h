/* What ktrial and its TCG plugin share: a file that both have mapped. C, for the plugin's sake.
 *
 * Under -icount all vCPUs run in one thread, in turns: the plugin needs no locks among them. Counts
 * are of instructions that blocks (TBs) had when they were begun. */
#ifndef KTRIAL_CONTROL_H
#define KTRIAL_CONTROL_H

#include <stdint.h>

enum { KTRIAL_MAX_CPUS = 256, KTRIAL_MAX_PLACES = 256, KTRIAL_MAX_RECORDS = 1 << 20 };
enum ktrial_hold { KTRIAL_RUNNING, KTRIAL_AT_COUNT, KTRIAL_AT_END, KTRIAL_AT_PLACE };
enum ktrial_kind { KTRIAL_CALL = 1, KTRIAL_BLOCK, KTRIAL_STORE };

/* A place in the guest's code. */
struct ktrial_place {
  uint64_t address; /* virtual */
  uint64_t hold_at; /* visit at which the machine is held, from 1; 0: at none */
  uint64_t visits;  /* so far */
  uint32_t record;  /* each visit becomes a record */
  uint32_t unused;
};

struct ktrial_record {
  uint64_t instructions; /* of all vCPUs, when it happened */
  uint64_t address;      /* of the code */
  uint64_t target;       /* of a store: where to */
  uint32_t kind, cpu, place;
  int32_t pid; /* of the vCPU's task; -1: not known */
  char comm[16];
};

struct ktrial_control {
  /* ktrial's words; places, watch and task are read when the machine starts */
  uint64_t stop_at; /* hold at the first block that begins with so many; ~0: never */
  uint32_t go;      /* a futex: counted up to end a hold */
  uint32_t coverage;
  uint32_t places;
  uint32_t watching;
  uint64_t watch, watch_bytes; /* virtual: record stores to it */
  /* Where the guest's RAM tells which task runs; `ram_bytes` 0: nobody knows. Offsets in the RAM.
   */
  uint64_t ram_bytes, direct_map, split_low, high_base;
  uint64_t current_task[KTRIAL_MAX_CPUS];
  uint32_t pid_offset, comm_offset;
  /* the plugin's */
  uint64_t instructions;
  uint64_t by_cpu[KTRIAL_MAX_CPUS];
  uint32_t holding; /* ktrial_hold */
  uint32_t hold_cpu;
  uint64_t hold_address;
  uint64_t records, lost; /* that were made; that had no room */
  struct ktrial_place place[KTRIAL_MAX_PLACES];
  struct ktrial_record record[KTRIAL_MAX_RECORDS];
};

#endif
