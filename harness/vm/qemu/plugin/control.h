/* What ktrial and its TCG plugin share: a file that both have mapped. C, for the plugin's sake.
 *
 * Under -icount all vCPUs run in one thread, in turns: the plugin needs no locks among them; what
 * delays a parallel machine uses `delay` alone, and adds to it atomically. Counts
 * are of instructions that blocks (TBs) had when they were begun. */
#ifndef KTRIAL_CONTROL_H
#define KTRIAL_CONTROL_H

#include <stdint.h>

enum { KTRIAL_MAX_CPUS = 256, KTRIAL_MAX_PLACES = 256, KTRIAL_MAX_RECORDS = 1 << 20 };
enum { KTRIAL_MAX_DELAYS = 16 };
enum { KTRIAL_MAX_TERMS = 8, KTRIAL_MAX_STEPS = 4, KTRIAL_MAX_CHANGES = 64 };
enum { KTRIAL_MAX_BLOCKS = 1 << 18, KTRIAL_MAX_MARKS = 1 << 16, KTRIAL_JUMPS_OF_A_MARK = 1 << 15 };
enum ktrial_hold { KTRIAL_RUNNING, KTRIAL_AT_COUNT, KTRIAL_AT_END, KTRIAL_AT_PLACE };
enum ktrial_kind { KTRIAL_CALL = 1, KTRIAL_BLOCK, KTRIAL_STORE, KTRIAL_JUMP };
enum ktrial_term_kind { KTRIAL_EXECUTES = 1, KTRIAL_HOLDS };
enum ktrial_comparison {
  KTRIAL_EQUAL,
  KTRIAL_DIFFERENT,
  KTRIAL_LESS,
  KTRIAL_LESS_OR_EQUAL,
  KTRIAL_GREATER,
  KTRIAL_GREATER_OR_EQUAL,
  KTRIAL_HAS_BITS
};

/* A place in the guest's code. */
struct ktrial_place {
  uint64_t address; /* virtual */
  uint64_t hold_at; /* visit at which the machine is held, from 1; 0: at none */
  uint64_t visits;  /* so far */
  uint32_t record;  /* each visit becomes a record */
  uint32_t unused;
};

/* A place at which some visits take longer. */
struct ktrial_delay {
  uint64_t address;                 /* virtual */
  uint64_t least_ns, most_ns;       /* of one delay */
  uint64_t odds;                    /* of 2^32 visits so many are delayed */
  uint64_t visits, delays, time_ns; /* so far */
};

/* A part of a condition: where the last block of a vCPU lies, or what a word of memory is. */
struct ktrial_term {
  uint32_t kind, negated;
  uint32_t cpu;                      /* KTRIAL_EXECUTES */
  uint32_t comparison, bytes, steps; /* KTRIAL_HOLDS: of the word; pointers to be followed */
  uint64_t from, to;                 /* code */
  uint64_t at;                       /* virtual: the word, or the first pointer */
  uint64_t offset[KTRIAL_MAX_STEPS]; /* added to each pointer */
  uint64_t value;
};

/* An instant at which a condition began or ceased to hold: a block's beginning. */
struct ktrial_change {
  uint64_t instructions, address;
  uint32_t cpu, holds; /* the vCPU whose block did it */
  int32_t pid;
  char comm[16];
};

/* Code of the kernel, by where a translation of it begins. */
struct ktrial_block {
  uint64_t address, visits, instructions;
};

/* All that a vCPU jumped in the kernel so far, as one number; after each so many jumps. */
struct ktrial_mark {
  uint64_t cpu, hash;
};

struct ktrial_record {
  uint64_t instructions; /* of all vCPUs, when it happened */
  uint64_t address;      /* of the code */
  uint64_t target;       /* of a store: where to; of a jump: where from */
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
  uint64_t image, image_physical; /* the kernel's image: virtual, physical */
  uint32_t terms;                 /* of a condition: all of them hold; 0: there is none */
  uint32_t recording_jumps;
  uint64_t jumps_from[KTRIAL_MAX_CPUS]; /* of each vCPU: one mark's jumps become records */
  struct ktrial_term term[KTRIAL_MAX_TERMS];
  uint32_t delaying; /* a parallel machine: delays, and nothing else */
  uint32_t delays;   /* told while it runs: so many are there */
  struct ktrial_delay delay[KTRIAL_MAX_DELAYS];
  /* the plugin's */
  uint64_t instructions;
  uint64_t by_cpu[KTRIAL_MAX_CPUS];
  uint32_t holding; /* ktrial_hold */
  uint32_t hold_cpu;
  uint64_t hold_address;
  uint64_t records, lost; /* that were made; that had no room */
  uint64_t blocks, lost_blocks, marks, lost_marks;
  uint64_t changes;           /* so far; the last ones are in the ring */
  struct ktrial_change first; /* that began to hold */
  struct ktrial_change change[KTRIAL_MAX_CHANGES];
  struct ktrial_place place[KTRIAL_MAX_PLACES];
  struct ktrial_block block[KTRIAL_MAX_BLOCKS];
  struct ktrial_mark mark[KTRIAL_MAX_MARKS];
  struct ktrial_record record[KTRIAL_MAX_RECORDS];
};

#endif
