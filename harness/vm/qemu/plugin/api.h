/* What ktrial's plugin needs of QEMU's plugin API, declared after QEMU's documentation
 * (docs/devel/tcg-plugins): Debian ships no header. The functions are resolved by the QEMU that
 * loads the plugin. They are the same from version 1 (QEMU 5 to 8) on, but for
 * qemu_plugin_insn_data(), which copies from version 3 on, and for what callbacks get from 7 on. */
#ifndef KTRIAL_PLUGIN_API_H
#define KTRIAL_PLUGIN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef struct {
  const char* target_name;
  struct {
    int min, cur;
  } version;
  bool system_emulation;
  struct {
    int smp_vcpus, max_vcpus;
  } system;
} qemu_info_t;

enum { REGISTERS_UNTOUCHED = 0, WRITES = 2 };

typedef void (*executed_cb)(unsigned cpu, void* data);
typedef void (*accessed_cb)(unsigned cpu, uint32_t info, uint64_t address, void* data);

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb* tb, executed_cb cb, int flags,
                                          void* data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn* insn, executed_cb cb,
                                            int flags, void* data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn* insn, accessed_cb cb, int flags,
                                      int which, void* data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* tb);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb* tb, size_t index);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb* tb);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn* insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn* insn);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn* insn);

/* Ours get the plugin's id first. From version 7 on (QEMU 11) QEMU's get a word of their user's,
 * and it last. One translation callback is there at a time. */
typedef void (*reset_cb)(uint64_t id);
typedef void (*translated_cb)(uint64_t id, struct qemu_plugin_tb* tb);
#if KTRIAL_PLUGIN_API >= 7
void qemu_plugin_reset(uint64_t id, void (*cb)(void* word), void* word);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
                                           void (*cb)(struct qemu_plugin_tb* tb, void* word),
                                           void* word);
static translated_cb on_translation;
static reset_cb on_reset_done;
static void pass_translation(struct qemu_plugin_tb* tb, void* id) {
  on_translation((uintptr_t)id, tb);
}
static void pass_reset(void* id) { on_reset_done((uintptr_t)id); }
static void translate_with(uint64_t id, translated_cb cb) {
  on_translation = cb;
  qemu_plugin_register_vcpu_tb_trans_cb(id, pass_translation, (void*)(uintptr_t)id);
}
static void reset_to(uint64_t id, reset_cb cb) {
  on_reset_done = cb;
  qemu_plugin_reset(id, pass_reset, (void*)(uintptr_t)id);
}
#else
void qemu_plugin_reset(uint64_t id, reset_cb cb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_cb cb);
static void translate_with(uint64_t id, translated_cb cb) {
  qemu_plugin_register_vcpu_tb_trans_cb(id, cb);
}
static void reset_to(uint64_t id, reset_cb cb) { qemu_plugin_reset(id, cb); }
#endif

EXPORTED extern int qemu_plugin_version;
EXPORTED int qemu_plugin_install(uint64_t id, const qemu_info_t* info, int argc, char** argv);

#endif
