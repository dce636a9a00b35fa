// The documents of `ktrial kernel`, against docs/schema.
#include "harness/cli/kernel_documents.h"

#include <gmock/gmock.h>
#include <test_paths.h>

#include "results/schema_check.h"

namespace ktrial::cli {
namespace {

TEST(KernelDocumentsTest, AListIsWhatItsSchemaSays) {
  const auto document = list_document(
      {{"linux-image-7.1-x", "7.1-1", 90'000'000, true}, {"linux-image-7.2-x", "7.2-1"}});
  results::expect_schema(results::dump(document), "kernel-list");
  EXPECT_EQ(document["kernels"][0]["reference"], "deb:linux-image-7.1-x=7.1-1");
}

TEST(KernelDocumentsTest, WhatIsFetchedIsWhatItsSchemaSays) {
  const kernel::Kernel kernel{
      .image = "/k/vmlinuz", .release = "7.1", .source = "s", .sha256 = "0"};
  const auto document = get_document(
      {{"/k/vmlinuz", kernel, {{"modules", "/k/m", ""}, {"config", "", ""}, {"headers", "", ""}}}});
  results::expect_schema(results::dump(document), "kernel-get");
  EXPECT_EQ(document["kernels"][0]["modules"], "/k/m");
  EXPECT_TRUE(document["kernels"][0]["config"].is_null());
}

TEST(KernelDocumentsTest, ABuildIsWhatItsSchemaSays) {
  const auto document = build_document({.directory = "/cache/build/1",
                                        .commit = std::string(40, 'a'),
                                        .compiled = 7,
                                        .took = std::chrono::milliseconds(1500)});
  results::expect_schema(results::dump(document), "kernel-build");
  EXPECT_EQ(document["seconds"], 1.5);
}

TEST(KernelDocumentsTest, ACheckIsWhatItsSchemaSays) {
  const kernel::MissingOption missing{{}, "n", "needs X"};
  const auto document = check_document("/c", {{"fork-storm", {}}, {"lkdtm", {missing}}});
  results::expect_schema(results::dump(document), "kernel-check-config");
  EXPECT_EQ(document["workloads"][1]["missing"].size(), 1u);
}

}  // namespace
}  // namespace ktrial::cli
