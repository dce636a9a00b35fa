// Commits the error named on its command line. A sanitizer build must report it;
// CMakeLists.txt beside this file says which report is expected.
#include <climits>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace {

int use_after_free() {
  int* volatile p = new int(1);
  delete p;
  return *p;
}

int overflow() {
  volatile int large = INT_MAX;
  return large + 1;
}

int race() {
  int shared = 0;
  std::thread other([&] {
    for (int i = 0; i < 100'000; ++i) ++shared;
  });
  for (int i = 0; i < 100'000; ++i) ++shared;
  other.join();
  return shared;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  volatile int kept = 0;
  if (what == "use-after-free") kept = use_after_free();
  if (what == "overflow") kept = overflow();
  if (what == "race") kept = race();
  return kept != 0 ? EXIT_SUCCESS : 2;
}
