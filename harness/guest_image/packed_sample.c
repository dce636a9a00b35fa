// A host program with a shared library of its own, for program_test.cc.
#include <stdio.h>

int packed_sample_answer(void);

int main(void) {
  printf("%d\n", packed_sample_answer());
  return 0;
}
