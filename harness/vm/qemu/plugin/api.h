/* What ktrial's plugin needs of QEMU's plugin API, declared after QEMU's documentation
 * (docs/devel/tcg-plugins): Debian ships no header. The functions are resolved by the QEMU that
 * loads the plugin. All of these are the same from version 1 (QEMU 5 to 8) on, but for
 * qemu_plugin_insn_data(), which copies from version 3 on. */
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

typedef void (*plain_cb)(uint64_t id);
typedef void (*translated_cb)(uint64_t id, struct qemu_plugin_tb* tb);
typedef void (*executed_cb)(unsigned cpu, void* data);
typedef void (*accessed_cb)(unsigned cpu, uint32_t info, uint64_t address, void* data);

void qemu_plugin_reset(uint64_t id, plain_cb cb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_cb cb);
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

EXPORTED extern int qemu_plugin_version;
EXPORTED int qemu_plugin_install(uint64_t id, const qemu_info_t* info, int argc, char** argv);

#endif
