// What `ktrial doctor --host` prints, against docs/schema, and as the pool reads it.
#include "harness/engine/hosts/probe.h"

#include <gtest/gtest.h>

#include "results/schema_check.h"

namespace ktrial::engine::hosts {
namespace {

const vm::LibvirtHost kTells{.name = "lab1",
                             .cpus = 8,
                             .memory_mib = 16000,
                             .free_mib = 9000,
                             .busy_cpus = 3.5,
                             .others_cpus = 2.25,
                             .libvirt_version = "9.0.0",
                             .orphans_ended = 1};

TEST(ProbeTest, AHostThatTellsIsWhatItsSchemaSaysAndComesBack) {
  const std::string text = document_of("qemu+ssh://lab1/system", kTells).dump();
  results::expect_schema(text, "doctor-host");
  const auto answer = answer_from(text);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->room.vcpus, 8);
  EXPECT_EQ(answer->room.memory_mib, 9000) << "others have the rest";
  EXPECT_EQ(answer->others_cpus, 2.25);
  EXPECT_EQ(answer->orphans_ended, 1);
}

TEST(ProbeTest, OneThatTellsLittleCountsAsIdle) {
  const std::string text =
      document_of("qemu:///system", vm::LibvirtHost{.name = "x", .cpus = 2, .memory_mib = 4000})
          .dump();
  results::expect_schema(text, "doctor-host");
  const auto answer = answer_from(text);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->room.memory_mib, 4000);
  EXPECT_EQ(answer->others_cpus, 0);
}

TEST(ProbeTest, AnErrorIsWhatItsSchemaSaysAndComesBack) {
  const std::string text =
      document_of("qemu:///system", fail(ErrorKind::environment, "nobody is there", "start it"))
          .dump();
  results::expect_schema(text, "doctor-host");
  const auto answer = answer_from(text);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "nobody is there");
}

TEST(ProbeTest, NonsenseIsNoAnswer) {
  for (const char* text :
       {"", "[]", "{}", "{\"cpus\":1}", "{\"cpus\":\"1\",\"memory_mib\":2}", "7"})
    EXPECT_FALSE(answer_from(text)) << text;
}

}  // namespace
}  // namespace ktrial::engine::hosts
