// A guest that floods its console: 1 GiB through everything that sees it.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "harness/base/file.h"
#include "harness/run/recorder.h"
#include "harness/trial/monitor.h"
#include "results/store/artifacts.h"

namespace ktrial::run {
namespace {

#ifdef KTRIAL_SANITIZED
constexpr long kQuarantine = 256 * 1024;  // KiB that AddressSanitizer keeps of what was freed
#else
constexpr long kQuarantine = 0;
#endif

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(FloodTest, AGibibyteOfConsoleCostsBoundedMemoryAndDisk) {
  auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  boost::asio::io_context io;
  trial::Observer nobody;
  auto recorder = Recorder::create(dir->path(), nobody);
  ASSERT_TRUE(recorder) << recorder.error().message;
  SteadyClock clock(io);
  trial::Monitor monitor(clock, trial::Limits{}, *recorder);
  monitor.begin(0);
  auto sink = monitor.vm_sink();

  // Kernel lines, user noise, and one line without an end now and then.
  std::string block;
  while (block.size() < (1 << 20))
    block +=
        "[   12.345678] usb 1-1: new device\nuser noise \x1b[31m\xff\r\n" + std::string(4000, 'x');
  sink(vm::ConsoleBytes{block});
  const long before = peak_kib();
  for (int i = 0; i < 1024; ++i) sink(vm::ConsoleBytes{block});
  sink(vm::ConsoleBytes{"\n[   99.000000] Kernel panic - not syncing: at last\n"});
  ASSERT_TRUE(recorder->close());

  EXPECT_LT(peak_kib() - before, 64 * 1024 + kQuarantine);
  EXPECT_LE(std::filesystem::file_size(dir->path() / "console.log"),
            results::ConsoleLog::kHead + results::ConsoleLog::kTail + 4096);
  ASSERT_EQ(monitor.console().findings().size(), 1u);
  EXPECT_EQ(monitor.console().findings()[0].title, "kernel panic: at last");
}

}  // namespace
}  // namespace ktrial::run
