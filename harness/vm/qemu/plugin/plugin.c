/* ktrial's TCG plugin: counts instructions, and holds a deterministic machine exactly where it is
 * told to. It changes nothing that the guest could see: a run with it is the run without it.
 *
 * Of a parallel machine it delays vCPUs at places instead (on_translated_to_delay()).
 *
 * To hold is to block in a callback: the one thread that runs all vCPUs stands, and QEMU's monitor
 * still answers. */
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest/wire/last_word.h"
#include "harness/vm/qemu/plugin/api.h"
#include "harness/vm/qemu/plugin/control.h"

EXPORTED int qemu_plugin_version = KTRIAL_PLUGIN_API;

static struct ktrial_control* control;
static const char* ram;
static int notify = -1;

static void hold(enum ktrial_hold why, unsigned cpu, uint64_t address) {
  const uint32_t seen = __atomic_load_n(&control->go, __ATOMIC_ACQUIRE);
  control->hold_cpu = cpu;
  control->hold_address = address;
  __atomic_store_n(&control->holding, why, __ATOMIC_RELEASE);
  if (write(notify, "h", 1) != 1) return; /* nobody is there to let it go on */
  while (__atomic_load_n(&control->go, __ATOMIC_ACQUIRE) == seen)
    syscall(SYS_futex, &control->go, FUTEX_WAIT, seen, NULL, NULL, 0);
  __atomic_store_n(&control->holding, KTRIAL_RUNNING, __ATOMIC_RELEASE);
}

/* The guest's RAM at a physical address; NULL: there is none. */
static const char* physical(uint64_t at, uint64_t bytes) {
  if (at >= control->high_base)
    at = at - control->high_base + control->split_low;
  else if (at >= control->split_low)
    return NULL;
  return at + bytes <= control->ram_bytes ? ram + at : NULL;
}

/* The same for a kernel's virtual address: of its image or of its map of all memory. */
static const char* virtual(uint64_t at, uint64_t bytes) {
  if (at >= control->image) return physical(at - control->image + control->image_physical, bytes);
  return at < control->direct_map ? NULL : physical(at - control->direct_map, bytes);
}

static void name_task(int32_t* pid, char* comm, unsigned cpu) {
  *pid = -1;
  if (!ram || !control->current_task[cpu]) return;
  uint64_t task;
  memcpy(&task, ram + control->current_task[cpu], sizeof task);
  const char* at =
      task < control->direct_map
          ? NULL
          : physical(task - control->direct_map, control->comm_offset + 64u + control->pid_offset);
  if (!at) return;
  memcpy(pid, at + control->pid_offset, sizeof *pid);
  memcpy(comm, at + control->comm_offset, 16);
}

static void add_record(enum ktrial_kind kind, unsigned cpu, uint32_t place, uint64_t address,
                       uint64_t target) {
  if (control->records >= KTRIAL_MAX_RECORDS) {
    ++control->lost;
    return;
  }
  struct ktrial_record* record = &control->record[control->records];
  record->instructions = control->instructions;
  record->address = address;
  record->target = target;
  record->kind = kind;
  record->cpu = cpu;
  record->place = place;
  if (kind == KTRIAL_CALL || kind == KTRIAL_STORE) name_task(&record->pid, record->comm, cpu);
  __atomic_store_n(&control->records, control->records + 1, __ATOMIC_RELEASE);
}

/* One of each translation; QEMU does not tell when it forgets one. */
struct block {
  uint64_t address, end, instructions;
  struct ktrial_block* counted; /* NULL: no kernel's code, or no room */
};

enum { IMAGE_STEP = 1 << 20 }; /* no image is moved by less */

static bool is_kernel(uint64_t address) { return address >> 63; }

/* Those of one address are one. Never more than half full. */
static struct ktrial_block* counted_block(uint64_t address) {
  enum { SLOTS = KTRIAL_MAX_BLOCKS * 2 };
  static uint32_t slots[SLOTS]; /* numbers of blocks, from 1 */
  uint64_t at = (address * 0x9e3779b97f4a7c15ull) >> 40;
  for (;; ++at) {
    uint32_t* slot = &slots[at % SLOTS];
    if (*slot && control->block[*slot - 1].address == address) return &control->block[*slot - 1];
    if (*slot) continue;
    if (control->blocks >= KTRIAL_MAX_BLOCKS) {
      ++control->lost_blocks;
      return NULL;
    }
    struct ktrial_block* block = &control->block[control->blocks];
    block->address = address;
    *slot = (uint32_t)++control->blocks;
    return block;
  }
}

/* What each vCPU has come through: jumps in the kernel alone, as they do not depend on where a
 * translation ends. */
static struct path {
  uint64_t end; /* of its last block; 1: it was none of the kernel's */
  uint64_t jumps, hash;
} paths[KTRIAL_MAX_CPUS];

static void follow(unsigned cpu, const struct block* block) {
  struct path* path = &paths[cpu % KTRIAL_MAX_CPUS];
  const uint64_t end = path->end;
  if (!block->counted) {
    path->end = 1;
    return;
  }
  path->end = block->end;
  if (block->address == end) return;
  if (control->recording_jumps &&
      path->jumps - control->jumps_from[cpu % KTRIAL_MAX_CPUS] < KTRIAL_JUMPS_OF_A_MARK)
    add_record(KTRIAL_JUMP, cpu, 0, block->address, end);
  /* What does not change where the kernel's image lies elsewhere, as it does with each seed. */
  const uint64_t step = end <= 1 ? block->address % IMAGE_STEP : block->address - end;
  path->hash = (path->hash ^ step) * 0x9e3779b97f4a7c15ull + 1;
  if (++path->jumps % KTRIAL_JUMPS_OF_A_MARK != 0) return;
  if (control->marks < KTRIAL_MAX_MARKS)
    control->mark[control->marks++] = (struct ktrial_mark){cpu, path->hash};
  else
    ++control->lost_marks;
}

static bool compares(const struct ktrial_term* term, uint64_t value) {
  switch (term->comparison) {
    case KTRIAL_EQUAL:
      return value == term->value;
    case KTRIAL_DIFFERENT:
      return value != term->value;
    case KTRIAL_LESS:
      return value < term->value;
    case KTRIAL_LESS_OR_EQUAL:
      return value <= term->value;
    case KTRIAL_GREATER:
      return value > term->value;
    case KTRIAL_GREATER_OR_EQUAL:
      return value >= term->value;
    default:
      return (value & term->value) == term->value;
  }
}

/* A word that cannot be reached holds nothing. */
static bool memory_holds(const struct ktrial_term* term) {
  uint64_t at = term->at, value = 0;
  for (uint32_t i = 0; i < term->steps; ++i) {
    const char* pointer = virtual(at, sizeof at);
    if (!pointer) return false;
    memcpy(&at, pointer, sizeof at);
    at += term->offset[i];
  }
  const char* word = virtual(at, term->bytes);
  if (!word) return false;
  memcpy(&value, word, term->bytes);
  return compares(term, value) != (term->negated != 0);
}

/* Of the condition: each vCPU's last block, whether it held, and its part in memory alone. */
static uint64_t begun[KTRIAL_MAX_CPUS];
static struct {
  bool holds, in_memory;
  unsigned cpu; /* of the block before this one */
} condition;

static void look(unsigned cpu, const struct block* block) {
  bool all = true, in_memory = true;
  const unsigned before = condition.cpu;
  const uint64_t before_at = begun[before];
  begun[cpu % KTRIAL_MAX_CPUS] = block->address;
  condition.cpu = cpu % KTRIAL_MAX_CPUS;
  for (uint32_t i = 0; i < control->terms; ++i) {
    const struct ktrial_term* term = &control->term[i];
    if (term->kind == KTRIAL_HOLDS) {
      in_memory = in_memory && memory_holds(term);
      continue;
    }
    const uint64_t at = begun[term->cpu % KTRIAL_MAX_CPUS];
    all = all && (at >= term->from && at < term->to) != (term->negated != 0);
  }
  all = all && in_memory;
  /* What memory is now the block before made it; where a vCPU is, this one did. */
  const bool by_memory = in_memory != condition.in_memory;
  condition.in_memory = in_memory;
  if (all == condition.holds) return;
  condition.holds = all;
  struct ktrial_change* change = &control->change[control->changes % KTRIAL_MAX_CHANGES];
  change->instructions = control->instructions;
  change->address = by_memory ? before_at : block->address;
  change->cpu = by_memory ? before : cpu;
  change->holds = all;
  memset(change->comm, 0, sizeof change->comm);
  name_task(&change->pid, change->comm, change->cpu % KTRIAL_MAX_CPUS);
  if (all && !control->first.holds) control->first = *change;
  ++control->changes;
}

static void on_block(unsigned cpu, void* data) {
  const struct block* block = data;
  /* Before it is counted: it stands at the block's first instruction. */
  if (control->instructions >= __atomic_load_n(&control->stop_at, __ATOMIC_RELAXED)) {
    __atomic_store_n(&control->stop_at, ~0ull, __ATOMIC_RELAXED);
    hold(KTRIAL_AT_COUNT, cpu, block->address);
  }
  if (control->terms) look(cpu, block);
  follow(cpu, block);
  if (block->counted) {
    ++block->counted->visits;
    block->counted->instructions += block->instructions;
  }
  control->instructions += block->instructions;
  control->by_cpu[cpu % KTRIAL_MAX_CPUS] += block->instructions;
}

static void on_last_word(unsigned cpu, void* data) { hold(KTRIAL_AT_END, cpu, (uintptr_t)data); }

static void on_place(unsigned cpu, void* data) {
  struct ktrial_place* place = data;
  ++place->visits;
  if (place->record)
    add_record(KTRIAL_CALL, cpu, (uint32_t)(place - control->place), place->address, 0);
  if (place->visits == place->hold_at) hold(KTRIAL_AT_PLACE, cpu, place->address);
}

static void on_store(unsigned cpu, uint32_t info, uint64_t address, void* data) {
  (void)info;
  /* A store's own width is not looked at: what is watched may be its middle. */
  if (address + 8 > control->watch && address < control->watch + control->watch_bytes)
    add_record(KTRIAL_STORE, cpu, 0, (uintptr_t)data, address);
}

/* Of version 3 on. Volatile: a compiler that sees through it refuses to call it. */
typedef size_t (*copying)(const struct qemu_plugin_insn*, void*, size_t);
static copying volatile copy_data;

static bool is_last_word(const struct qemu_plugin_insn* insn) {
  static const unsigned char kWord[] = KTRIAL_LAST_WORD;
  unsigned char copy[16];
  if (qemu_plugin_insn_size(insn) != sizeof kWord) return false;
  const void* data = copy;
  if (copy_data)
    copy_data(insn, copy, sizeof copy);
  else
    data = qemu_plugin_insn_data(insn);
  return memcmp(data, kWord, sizeof kWord) == 0;
}

static void on_translated(uint64_t id, struct qemu_plugin_tb* tb) {
  (void)id;
  const size_t count = qemu_plugin_tb_n_insns(tb);
  struct block* block = malloc(sizeof *block);
  if (!block) abort();
  block->address = qemu_plugin_tb_vaddr(tb);
  block->instructions = count;
  const struct qemu_plugin_insn* last = qemu_plugin_tb_get_insn(tb, count - 1);
  block->end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
  block->counted = is_kernel(block->address) ? counted_block(block->address) : NULL;
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, REGISTERS_UNTOUCHED, block);
  if (control->coverage) add_record(KTRIAL_BLOCK, 0, (uint32_t)count, block->address, 0);
  for (size_t i = 0; i < count; ++i) {
    struct qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(tb, i);
    const uint64_t address = qemu_plugin_insn_vaddr(insn);
    if (is_last_word(insn))
      qemu_plugin_register_vcpu_insn_exec_cb(insn, on_last_word, REGISTERS_UNTOUCHED,
                                             (void*)(uintptr_t)address);
    for (uint32_t k = 0; k < control->places; ++k)
      if (control->place[k].address == address)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_place, REGISTERS_UNTOUCHED,
                                               &control->place[k]);
    if (control->watching)
      qemu_plugin_register_vcpu_mem_cb(insn, on_store, REGISTERS_UNTOUCHED, WRITES,
                                       (void*)(uintptr_t)address);
  }
}

/* Of a vCPU's thread. */
static uint64_t next_random(void) {
  static __thread uint64_t state;
  if (state == 0) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    state = ((uint64_t)now.tv_nsec << 20) ^ (uintptr_t)&state ^ 0x9e3779b97f4a7c15ull;
  }
  state ^= state << 13; /* xorshift64 */
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void on_delay(unsigned cpu, void* data) {
  struct ktrial_delay* delay = data;
  const uint64_t drawn = next_random();
  (void)cpu;
  __atomic_add_fetch(&delay->visits, 1, __ATOMIC_RELAXED);
  if (drawn >> 32 >= delay->odds) return;
  const uint64_t ns =
      delay->least_ns + (drawn & 0xffffffff) % (delay->most_ns - delay->least_ns + 1);
  const struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
  nanosleep(&time, NULL);
  __atomic_add_fetch(&delay->delays, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&delay->time_ns, ns, __ATOMIC_RELAXED);
}

static void on_translated_to_delay(uint64_t id, struct qemu_plugin_tb* tb);

static void on_reset(uint64_t id) { translate_with(id, on_translated_to_delay); }

/* The places are told when the kernel is up and its symbols are known: then all that was
 * translated before is thrown away. A guest that runs translates something ever again. */
static void on_translated_to_delay(uint64_t id, struct qemu_plugin_tb* tb) {
  static uint32_t known;
  const uint32_t told = __atomic_load_n(&control->delays, __ATOMIC_ACQUIRE);
  if (told && !__atomic_exchange_n(&known, told, __ATOMIC_ACQ_REL)) reset_to(id, on_reset);
  const size_t count = told ? qemu_plugin_tb_n_insns(tb) : 0;
  for (size_t i = 0; i < count; ++i) {
    struct qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(tb, i);
    const uint64_t address = qemu_plugin_insn_vaddr(insn);
    for (uint32_t k = 0; k < told; ++k)
      if (control->delay[k].address == address)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_delay, REGISTERS_UNTOUCHED,
                                               &control->delay[k]);
  }
}

static void* map(const char* path, size_t bytes, int protection) {
  const int fd = open(path, (protection & PROT_WRITE) ? O_RDWR : O_RDONLY);
  if (fd < 0) return NULL;
  void* at = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
  close(fd);
  return at == MAP_FAILED ? NULL : at;
}

int qemu_plugin_install(uint64_t id, const qemu_info_t* info, int argc, char** argv) {
  const char* ram_path = NULL;
  if (info->version.cur >= 3) copy_data = (copying)qemu_plugin_insn_data;
  for (int i = 0; i < argc; ++i) {
    if (strncmp(argv[i], "control=", 8) == 0)
      control = map(argv[i] + 8, sizeof *control, PROT_READ | PROT_WRITE);
    else if (strncmp(argv[i], "ram=", 4) == 0)
      ram_path = argv[i] + 4;
    else if (strncmp(argv[i], "notify=", 7) == 0)
      notify = atoi(argv[i] + 7);
  }
  if (!control || notify < 0) {
    fprintf(stderr, "ktrial's plugin: control= and notify= are needed\n");
    return 1;
  }
  if (ram_path && control->ram_bytes) ram = map(ram_path, control->ram_bytes, PROT_READ);
  if (!ram) control->ram_bytes = 0;
  translate_with(id, control->delaying ? on_translated_to_delay : on_translated);
  return 0;
}
