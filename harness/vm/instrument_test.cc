#include "harness/vm/qemu/instrument.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "harness/base/file.h"
#include "harness/base/installation.h"
#include "harness/vm/qemu/argv.h"

namespace ktrial::vm {
namespace {
using namespace std::chrono_literals;

TEST(InstrumentTest, AQemuWithoutPluginsIsToldFromOneWithout) {
  TempDir dir = *TempDir::create();
  ASSERT_TRUE(write_file_atomically(dir.path() / "ktrial-plugin-1.so", "plugin"));
  ASSERT_TRUE(
      write_file_atomically(dir.path() / "with", "..qemu_plugin_register_vcpu_tb_trans_cb.."));
  ASSERT_TRUE(write_file_atomically(dir.path() / "without", "a program"));
  EXPECT_EQ(choose_plugin(dir.path(), "7.2.22", dir.path() / "with").file,
            dir.path() / "ktrial-plugin-1.so");
  EXPECT_NE(choose_plugin(dir.path(), "7.2.22", dir.path() / "without").why_not, "");
  ASSERT_TRUE(write_file_atomically(dir.path() / "ktrial-plugin-7.so", "plugin"));
  EXPECT_EQ(choose_plugin(dir.path(), "11.1.3", dir.path() / "with").file,
            dir.path() / "ktrial-plugin-7.so");
  // Of QEMU 10 it is another one, which is not there.
  EXPECT_NE(choose_plugin(dir.path(), "10.0.8", dir.path() / "with").why_not, "");
}

TEST(InstrumentTest, ADeterministicMachinesQemuHasAClockThatStands) {
  const auto file = find_clock(host_programs());
  ASSERT_TRUE(file) << file.error().message;
  void* library = ::dlopen(file->c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << ::dlerror();
  const auto clock = reinterpret_cast<int (*)(timeval*, void*)>(::dlsym(library, "gettimeofday"));
  ASSERT_NE(clock, nullptr);
  timeval first{}, second{};
  EXPECT_EQ(clock(&first, nullptr), 0);
  EXPECT_EQ(clock(&second, nullptr), 0);
  EXPECT_EQ(first.tv_sec, 1767225600);
  EXPECT_EQ(second.tv_sec, first.tv_sec);
  EXPECT_EQ(second.tv_usec, first.tv_usec);
  ::dlclose(library);

  VmConfig config{.name = "ktrial-1"};
  EXPECT_EQ(preloaded(config), "");
  config.exact = Exact{.clock = *file};
  EXPECT_EQ(preloaded(config), *file);
}

// The library stays open: the thread stands in it.
TEST(InstrumentTest, TheThreadThatEndsTurnsByTheHostsTimeNeverBegins) {
  void* library = ::dlopen(find_clock(host_programs())->c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << ::dlerror();
  using Name = int (*)(pthread_t, const char*);
  const auto name = reinterpret_cast<Name>(::dlsym(library, "pthread_setname_np"));
  ASSERT_NE(name, nullptr);
  static std::atomic<int> id{0}, named{0};
  std::thread([name] {
    named += name(::pthread_self(), "worker") == 0;
    id = ::gettid();
    named += 1 + name(::pthread_self(), "call_rcu");
  }).detach();
  const auto pauses = [] {
    const std::string at = fmt::format("/proc/self/task/{}/syscall", id.load());
    return id != 0 && read_file(at, 1000).value_or("").starts_with(fmt::format("{} ", SYS_pause));
  };
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!pauses() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(pauses());
  EXPECT_EQ(named, 1);
}

// LD_PRELOAD has neither quotes nor escapes.
TEST(InstrumentTest, AClockThatCannotBePreloadedIsRefused) {
  TempDir dir = *TempDir::create();
  EXPECT_FALSE(find_clock(dir.path()));
  for (const char* folder : {"one word", "a:b"}) {
    std::filesystem::create_directory(dir.path() / folder);
    ASSERT_TRUE(write_file_atomically(dir.path() / folder / "ktrial-clock.so", "clock"));
    const auto found = find_clock(dir.path() / folder);
    ASSERT_FALSE(found) << folder;
    EXPECT_NE(found.error().message.find("LD_PRELOAD cannot name it"), std::string::npos);
  }
}

}  // namespace
}  // namespace ktrial::vm
