/* The agent's last word: an instruction that does nothing, and that no compiler makes. ktrial's TCG
 * plugin knows it, and holds a deterministic machine there. C, for the plugin's sake. */
#ifndef KTRIAL_LAST_WORD_H
#define KTRIAL_LAST_WORD_H

/* nopl DISPLACEMENT(%rax,%rax), eight bytes: 0f 1f 84 00, and the displacement "ktrl". */
#define KTRIAL_LAST_WORD {0x0f, 0x1f, 0x84, 0x00, 'k', 't', 'r', 'l'}

/* By the agent, when it has said all. */
static inline void ktrial_say_last_word(void) {
  __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x6b, 0x74, 0x72, 0x6c" ::: "memory");
}

#endif
