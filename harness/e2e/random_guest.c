// Prints what a program draws first: 16 bytes of getrandom(2), and where its stack is.
#include <stdio.h>
#include <sys/random.h>

int main(void) {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return 1;
  printf("random ");
  for (unsigned i = 0; i < sizeof bytes; ++i) printf("%02x", bytes[i]);
  printf("\nstack %p\n", (void*)bytes);
  return 0;
}
