// Who is at fault for a stall: a vCPU, the host, or the emulator. Pure.
#pragma once

#include <string>

#include "harness/verdict/evidence.h"

namespace ktrial::verdict {

// What the host must have taken of the time, and how long a vCPU must have run in one place
// whatever the host took: a booting kernel computes for seconds without letting go of its CPU, so
// there a slow host is nearer to a stall.
double starving_share(const Evidence& evidence);
double proof_seconds(const Evidence& evidence);

// Who is at fault for a stall, and how sure that is.
struct Blame {
  std::string function;  // empty: not known
  bool proven = false;   // whatever the host did meanwhile
};
// From outside first, if the machine was caught in the act: the CPU that complains on
// the console is often the victim. Then the kernel's own stacks.
Blame blame(const Evidence& evidence);

// How the host explains a stall of `cpu` (-1: any); empty when it does not, or when
// somebody is proven guilty all the same.
std::string excuse(const Evidence& evidence, int cpu);

// How TCG explains a stall; empty when it does not.
std::string emulator_explains(const Evidence& evidence);

}  // namespace ktrial::verdict
