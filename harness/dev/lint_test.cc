#include "harness/dev/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

#include <fstream>

#include "harness/base/file.h"

namespace ktrial::dev {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kRoot = KTRIAL_SOURCE_DIR;

// Source files over the limit, each with a reason. Meant to stay empty.
const std::set<std::string> kLongFiles = {};

TEST(LintTest, IncludesFollowTheRanks) { EXPECT_THAT(check_includes(kRoot), IsEmpty()); }
TEST(LintTest, NoPathOrHostOfOneMachine) { EXPECT_THAT(check_portability(kRoot), IsEmpty()); }
TEST(LintTest, NoFileOver400Lines) {
  EXPECT_THAT(check_lengths(kRoot, 400, kLongFiles), IsEmpty());
}

TEST(LintTest, NoFunctionOver60Lines) {
  const std::map<std::string, std::string> allowed = {
      {"harness/arch/x86_64.cc", "a table: a row of all that differs"},
      {"harness/console/kinds.cc", "a case for each kind"},
      {"harness/console/wrappers.cc", "a table, with an example for each row"},
      {"harness/selftest/faults.cc", "a table: all faults"},
      {"harness/trial/trial_loop.cc", "the main loop: all steps of a trial in one place"},
      {"workloads/inject/inject.cc", "the names of all faults, and what each of them needs"},
  };
  EXPECT_THAT(check_functions(kRoot, 60, allowed), IsEmpty());
}

TEST(LintTest, NoIncludeCircles) { EXPECT_THAT(check_cycles(kRoot), IsEmpty()); }
TEST(LintTest, X86IsNamedWhereItIsMeant) {
  EXPECT_THAT(check_words(kRoot, no_x86_words()), IsEmpty());
}
TEST(LintTest, WaitsAreInSpecTimeouts) {
  EXPECT_THAT(check_words(kRoot, no_waits_of_seconds()), IsEmpty());
}

// That the rules bite.
class LintRuleTest : public testing::Test {
 protected:
  void SetUp() override {
    auto dir = TempDir::create();
    ASSERT_TRUE(dir);
    dir_.emplace(std::move(*dir));
  }
  void put(const std::string& file, const std::string& text) {
    fs::create_directories((root() / file).parent_path());
    std::ofstream(root() / file) << text;
  }
  const fs::path& root() const { return dir_->path(); }
  std::optional<TempDir> dir_;
};

TEST_F(LintRuleTest, UpwardAndSidewaysIncludesAreFound) {
  put("harness/vm/good.cc",
      "#include \"harness/vm/vm.h\"\n#include \"harness/base/fd.h\"\n"
      "#include \"results/record.h\"\n#include \"guest/wire/wire.h\"\n#include <vector>\n");
  put("harness/vm/up.cc", "#include <string>\n  # include \"harness/channel/channel.h\"\n");
  put("harness/console/side.cc", "#include \"harness/introspect/x.h\"\n");
  put("harness/base/zero.cc", "#include \"results/record.h\"\n");
  put("results/store/good.cc", "#include \"harness/base/fd.h\"\n");
  put("results/store/side.cc", "#include \"harness/spec/spec.h\"\n");
  put("harness/cli/angle.cc", "#include <harness/base/fd.h>\n");
  put("harness/cli/lost.cc", "#include \"nowhere.h\"\n#include \"beside.h\"\n");
  put("harness/cli/beside.h", "");
  EXPECT_THAT(
      check_includes(root()),
      ElementsAre(HasSubstr("harness/base/zero.cc:1: harness/base includes results: rank 1"),
                  HasSubstr("harness/cli/angle.cc:1: include project files as"),
                  HasSubstr("harness/cli/lost.cc:1: \"nowhere.h\" is neither"),
                  HasSubstr("harness/console/side.cc:1: harness/console includes"),
                  HasSubstr("harness/vm/up.cc:2: harness/vm includes harness/channel"),
                  HasSubstr("results/store/side.cc:1: results includes harness/spec")));
}

TEST_F(LintRuleTest, AFakeInProductCodeIsFound) {
  put("harness/vm/fake_vm.h", "");
  put("harness/vm/vm_test.cc", "#include \"harness/vm/fake_vm.h\"\n");
  put("harness/vm/vm.cc", "#include \"fake_vm.h\"\n");
  EXPECT_THAT(check_includes(root()), ElementsAre(HasSubstr("harness/vm/vm.cc:1: fake_vm.h")));
}

TEST_F(LintRuleTest, GuestCodeStandsAlone) {
  put("guest/init/a.cc", "#include \"guest/wire/wire.h\"\n#include \"harness/base/fd.h\"\n");
  put("workloads/x/b.c", "#include \"guest/wire/wire.h\"\n");
  put("workloads/x/b_test.cc", "#include \"harness/base/fd.h\"\n#include \"harness/vm/vm.h\"\n");
  put("harness/trial/c.cc", "#include \"guest/init/a.h\"\n");
  EXPECT_THAT(check_includes(root()),
              ElementsAre(HasSubstr("guest/init/a.cc:2: guest/init includes harness/base"),
                          HasSubstr("harness/trial/c.cc:1: harness/trial includes guest/init"),
                          HasSubstr("workloads/x/b_test.cc:2: workloads includes harness/vm")));
}

TEST_F(LintRuleTest, AFolderWithoutRankIsFound) {
  put("harness/misc/a.cc", "");
  put("build/generated.cc", "#include \"nowhere.h\"\n");
  EXPECT_THAT(check_includes(root()), ElementsAre(HasSubstr("harness/misc/a.cc: its folder")));
}

TEST_F(LintRuleTest, MachinePathsAndHostsAreFound) {
  const std::string slash = "/";
  put("a.sh", "cd " + slash + "work/tree\n" + "cd \"$HOME/work/\"\n");
  put("b.md", "see " + slash + "home/alice/x, not " + slash + "home/user/x\n");
  put("c.txt", "deb https:" + slash + "/mirr" + "or.example.org/debian bookworm main\n");
  put("d.txt", "http:" + slash + slash + "10.0.0.1/x\n");
  put("x/testdata/log", slash + "root/x\n");
  EXPECT_THAT(check_portability(root()), ElementsAre(HasSubstr("a.sh:1"), HasSubstr("b.md:1"),
                                                     HasSubstr("c.txt:1"), HasSubstr("d.txt:1")));
}

TEST_F(LintRuleTest, LongFilesAndStaleExceptionsAreFound) {
  put("a.cc", "1\n2\n3\n");
  put("b.cc", "1\n2\n3\n4\n");
  put("c.cc", "1\n2\n3\n4\n");
  EXPECT_THAT(check_lengths(root(), 3, {"c.cc", "a.cc"}),
              ElementsAre(HasSubstr("b.cc: 4 lines"), HasSubstr("a.cc: is on the list")));
}

TEST_F(LintRuleTest, LongFunctionsAndStaleExceptionsAreFound) {
  const std::string body = "  if (a)\n    b();\n#if C\n  c();\n#endif\n\n";
  put("harness/a.cc",
      "namespace {\nint f(int a,\n      int b) {\n" + body + "}\nint g() {\n  c();\n}\n\n}\n");
  put("harness/b.h", "class B {\n public:\n  int f() {\n    a();\n    b();\n  }\n  int g() {\n" +
                         std::string("    a();\n    b();\n    c();\n  }\n};\n"));
  put("harness/c.cc", "int f() {\n" + body + "}\n");
  put("harness/c_test.cc", "int f() {\n" + body + body + "}\n");
  EXPECT_THAT(check_functions(root(), 4, {{"harness/c.cc", "a table"}, {"harness/d.cc", "stale"}}),
              ElementsAre(HasSubstr("harness/a.cc:2: 9 lines"), HasSubstr("harness/b.h:7: 5 lines"),
                          HasSubstr("harness/d.cc: may have a long function")));
}

TEST_F(LintRuleTest, CirclesOfUnitsAreFoundWithTheirPath) {
  put("a/one.h", "#include \"a/two.h\"\n");
  put("a/two.h", "");
  put("a/two.cc", "#include \"a/two.h\"\n\n#include \"three.h\"\n");
  put("a/three.h", "#include \"a/one.h\"\n");
  put("a/user.cc", "#include \"a/one.h\"\n");
  EXPECT_THAT(check_cycles(root()),
              ElementsAre("circle of includes:\n  a/one.h:1: a/one includes a/two\n"
                          "  a/two.cc:3: a/two includes a/three\n"
                          "  a/three.h:1: a/three includes a/one"));
  put("a/three.h", "");
  EXPECT_THAT(check_cycles(root()), IsEmpty());
}

TEST_F(LintRuleTest, WordsAreFoundInCodeNotInTexts) {
  put("harness/vm/a.cc",
      "// an x86 word\n/* and\n x86 */ f(\"x86\");\ng(\"one x86 for people\"); h(R\"(x86 too)\");\n"
      "char c = '\"'; int x86 = 0;\n");
  put("harness/vm/a_test.cc", "int x86;\n");
  put("harness/arch/x86.cc", "int x86;\n");
  const WordRule rule{"x86", "x86", {{"harness/arch/", "its place"}, {"results/", "stale"}}};
  EXPECT_THAT(check_words(root(), rule),
              ElementsAre(HasSubstr("harness/vm/a.cc:3: x86"), HasSubstr("harness/vm/a.cc:5: x86"),
                          HasSubstr("results/: is an exception")));
}

TEST_F(LintRuleTest, EveryFormOfAWaitIsFound) {
  put("a.cc",
      "auto a = std::chrono::seconds(10);\nconstexpr std::chrono::minutes kMax{30};\n"
      "constexpr milliseconds kWait = 120s;\nmilliseconds patience{5000};\n");
  put("b.cc",
      "auto a = std::chrono::milliseconds(50); milliseconds b{0}; auto c = 100ms;\n"
      "seconds(x); int s1 = 0x10;\n");
  WordRule rule = no_waits_of_seconds();
  rule.exceptions.clear();
  EXPECT_THAT(check_words(root(), rule), ElementsAre(HasSubstr("a.cc:1"), HasSubstr("a.cc:2"),
                                                     HasSubstr("a.cc:3"), HasSubstr("a.cc:4")));
}

}  // namespace
}  // namespace ktrial::dev
