// Knobs that amplify a race, the same in every workload that has them: fewer CPUs,
// pinning, random pauses between steps, more threads per CPU.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace ktrial::workload {

// The first `count` of our CPUs, all with 0; the calling thread and what it starts run
// on them only. Exits with kCannotRun when there are not so many.
std::vector<int> use_cpus(std::int64_t count);

// Random pauses of up to `most_us` µs; with 0, none, and nothing is drawn. One per
// thread: two with the same seed and stream pause alike.
class Jitter {
 public:
  Jitter(std::int64_t most_us, std::int64_t seed, std::uint64_t stream);
  // The length of the next pause, in µs: half of them sleep so long, half spin.
  void pause();
  std::int64_t next_us();

 private:
  std::int64_t most_us_;
  std::mt19937_64 random_;
};

}  // namespace ktrial::workload
