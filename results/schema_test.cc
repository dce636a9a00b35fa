// The documents that this folder writes, against docs/schema.
#include <test_paths.h>

#include <algorithm>

#include "results/schema_check.h"
#include "results/store/json.h"
#include "results/store/test_dir.h"
#include "results/store/test_store.h"

namespace ktrial::results {
namespace {

std::string text_of_file(const std::string& path) {
  const auto text = read_file(path);
  EXPECT_TRUE(text) << path;
  return text.value_or("");
}

// Goldens are what the code writes: see report_test.cc.
struct Golden {
  const char *file, *schema;
};
void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.file; }
class GoldenSchemaTest : public testing::TestWithParam<Golden> {};
TEST_P(GoldenSchemaTest, IsWhatItsSchemaSays) {
  const std::string golden = std::string(KTRIAL_SOURCE_DIR "/results/report/testdata/");
  expect_schema(text_of_file(golden + GetParam().file), GetParam().schema);
}
INSTANTIATE_TEST_SUITE_P(Documents, GoldenSchemaTest,
                         testing::Values(Golden{"fail.json", "run"}, Golden{"list.json", "runs"},
                                         Golden{"analyze.json", "analyze"},
                                         Golden{"campaign.json", "campaign"}),
                         [](const auto& one) { return std::string(one.param.schema); });

TEST(SchemaTest, HoldsForTheFilesOfARun) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(1), {"ktrial", "run"}, {"nightly", "cpus=2"});
  ASSERT_TRUE(run && run->add_trial(trial(0, Outcome::fail)));
  expect_schema(text_of_file(run->path() / "run.json"), "run-file");
  ASSERT_TRUE(run->finish());
  expect_schema(text_of_file(run->path() / "run.json"), "run-file");
  expect_schema(text_of_file(run->path() / "trials/000/verdict.json"), "verdict");
}

TEST(SchemaTest, HoldsForADeterministicTrialWhichReadsBackAsItWas) {
  TestDir dir;
  Store store = open(dir.path());
  auto run = store.begin_run(spec(1), {"ktrial", "run"}, {});
  TrialRecord one = trial(0, Outcome::fail);
  one.determinism = Determinism{.seed = 3,
                                .shift = 4,
                                .argv = {"-seed", "3"},
                                .qemu_version = "7.2.22",
                                .qemu_sha256 = "a",
                                .kernel_sha256 = "b",
                                .initramfs_sha256 = "c",
                                .held = "count",
                                .not_held = "",
                                .instructions = 3'000'000'000,
                                .by_cpu = {1, 2'999'999'999},
                                .console_bytes = 9,
                                .console_sha256 = "d",
                                .registers_sha256 = "e",
                                .ram_sha256 = "f",
                                .runs = 2,
                                .parted = ""};
  ASSERT_TRUE(run && run->add_trial(one));
  const std::string text = text_of_file(run->path() / "trials/000/verdict.json");
  expect_schema(text, "verdict");
  const auto json = parse_json(text);
  ASSERT_TRUE(json);
  const auto back = trial_from_json(*json);
  ASSERT_TRUE(back && back->determinism);
  EXPECT_EQ(to_json(*back->determinism), to_json(*one.determinism));
  EXPECT_EQ(back->determinism->instructions, 3'000'000'000u);
}

TEST(SchemaTest, NamesEveryKind) {
  const auto common = parse_json(text_of_file(KTRIAL_SOURCE_DIR "/docs/schema/common.json"));
  ASSERT_TRUE(common);
  std::vector<std::string> documented, known;
  for (const Json& kind : (*common)["definitions"]["kind"]["examples"])
    documented.push_back(kind.get<std::string>());
  for (int i = 0; i < static_cast<int>(Kind::foreign); ++i)
    known.emplace_back(name(static_cast<Kind>(i)));
  std::ranges::sort(documented);
  std::ranges::sort(known);
  EXPECT_EQ(documented, known) << "docs/schema/common.json, results/kind.h";
}

// A check that cannot fail proves nothing.
TEST(SchemaTest, RefusesAStrangeKey) {
  const auto checked = run_command({"python3", KTRIAL_SOURCE_DIR "/harness/dev/check_schema.py",
                                    KTRIAL_SOURCE_DIR "/docs/schema/analyze.json",
                                    KTRIAL_SOURCE_DIR "/results/report/testdata/list.json"});
  ASSERT_TRUE(checked);
  if (checked->exit_status == 77) GTEST_SKIP() << checked->out;
  EXPECT_EQ(checked->exit_status, 1);
  EXPECT_NE(checked->out.find("'runs' was unexpected"), std::string::npos) << checked->out;
}

}  // namespace
}  // namespace ktrial::results
