#include "harness/kernel/build/build.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cstdlib>

#include "harness/kernel/build/build_make.h"
#include "harness/kernel/build/build_testing.h"
#include "harness/kernel/kernel.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeLinux;
using ::testing::HasSubstr;
using testing::write;

class BuildTest : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("CCACHE_DISABLE", "1", 1); }
  Built must_build(const BuildRequest& request) {
    const auto outcome = build_kernel(request);
    if (!outcome) {
      ADD_FAILURE() << outcome.error().message;
      return {};
    }
    if (const auto* failed = std::get_if<BuildFailed>(&*outcome)) {
      ADD_FAILURE() << "does not compile: " << ::testing::PrintToString(failed->errors);
      return {};
    }
    return std::get<Built>(*outcome);
  }
  Error must_fail(const BuildRequest& request) {
    const auto outcome = build_kernel(request);
    EXPECT_FALSE(outcome);
    return outcome ? Error{} : outcome.error();
  }
  // A build that is asked to stop when it compiles `object`.
  void interrupt_at(const std::string& object) {
    std::stop_source stop;
    BuildRequest request = linux_.request("HEAD");
    request.stop = stop.get_token();
    request.progress = [&](const BuildProgress& p) {
      if (p.detail == object) stop.request_stop();
    };
    EXPECT_EQ(must_fail(request).kind, ErrorKind::interrupted);
  }
  // Entries of the cache, finished or not.
  std::vector<std::string> entries() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(linux_.cache() / "build"))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  FakeLinux linux_;
};

TEST_F(BuildTest, KeepsWhatATrialNeedsAndBuildsOnce) {
  const Built built = must_build(linux_.request("HEAD"));
  EXPECT_FALSE(built.cached);
  EXPECT_EQ(built.compiled, 2u);
  EXPECT_EQ(read_file(built.directory / "arch/x86/boot/bzImage").value(), "exitfork");
  for (const char* name : {".config", "Makefile", "include/linux/kernel.h", "modules.order",
                           "include/generated/autoconf.h", "scripts/modpost"})
    EXPECT_TRUE(fs::exists(built.directory / name)) << name;
  EXPECT_FALSE(fs::exists(built.directory / "kernel/fork.o"));
  const Built again = must_build(linux_.request("main"));
  EXPECT_TRUE(again.cached);
  EXPECT_EQ(again.directory, built.directory);
}

TEST_F(BuildTest, TheNextCommitCompilesOnlyWhatChanged) {
  const Built first = must_build(linux_.request("HEAD"));
  write(linux_.tree() / "kernel/fork.c", "FORK");
  linux_.commit("change one");
  const Built second = must_build(linux_.request("HEAD"));
  EXPECT_EQ(second.compiled, 1u);
  EXPECT_NE(second.directory, first.directory);
  EXPECT_EQ(read_file(second.directory / "arch/x86/boot/bzImage").value(), "exitFORK");
  // What was kept of the first build is not touched by the second.
  EXPECT_EQ(read_file(first.directory / "arch/x86/boot/bzImage").value(), "exitfork");
  EXPECT_TRUE(must_build(linux_.request("HEAD~1")).cached);
}

TEST_F(BuildTest, AnotherConfigurationIsAnotherBuild) {
  const Built first = must_build(linux_.request("HEAD"));
  BuildRequest request = linux_.request("HEAD");
  request.fragments = {linux_.fragment("CONFIG_A=y\nCONFIG_B=y\n")};
  EXPECT_NE(must_build(request).directory, first.directory);
}

TEST_F(BuildTest, ProgressKnowsWhatTheLastBuildHad) {
  must_build(linux_.request("HEAD"));
  fs::remove_all(linux_.cache() / "build/objects" / [&] {
    for (const auto& e : fs::directory_iterator(linux_.cache() / "build/objects"))
      if (e.is_directory()) return e.path().filename().string();
    return std::string();
  }());
  linux_.commit("same sources");  // the same git tree: the entry has to go too
  for (const std::string& name : entries())
    if (name.size() == 32) fs::remove_all(linux_.cache() / "build" / name);
  BuildRequest request = linux_.request("HEAD");
  std::vector<std::string> seen;
  request.progress = [&](const BuildProgress& p) {
    seen.push_back(std::string(p.step) + " " + std::string(p.detail) + " " +
                   std::to_string(p.done) + "/" + std::to_string(p.expected));
  };
  must_build(request);
  EXPECT_THAT(seen, ElementsAre("sources  0/0", "configuration  0/2", "compile kernel/exit.o 1/2",
                                "compile kernel/fork.o 2/2", "keep  2/2"));
}

TEST_F(BuildTest, SourcesThatDoNotCompileAreAnOutcomeNotAnError) {
  linux_.object_recipe("echo \"$1:7:1: error: no such thing\" >&2; exit 1");
  const std::string hash = linux_.commit("broken");
  const auto outcome = build_kernel(linux_.request("HEAD"));
  ASSERT_TRUE(outcome) << outcome.error().message;
  const auto* failed = std::get_if<BuildFailed>(&*outcome);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->commit, hash);
  EXPECT_THAT(failed->errors, Contains(HasSubstr("kernel/exit.c:7:1: error: no such thing")));
  EXPECT_THAT(read_file(failed->log).value(), HasSubstr("no such thing"));
  EXPECT_THAT(entries(), ElementsAre("log", "objects"));
  // The next commit is none the worse for it.
  linux_.object_recipe("cp $1 $2");
  linux_.commit("mended");
  must_build(linux_.request("HEAD"));
}

TEST_F(BuildTest, AnOptionThatIsNotGrantedNamesItsDependency) {
  BuildRequest request = linux_.request("HEAD");
  request.fragments = {linux_.fragment("CONFIG_A=y\n# why\nCONFIG_REFUSED=y\n")};
  const Error error = must_fail(request);
  EXPECT_EQ(error.kind, ErrorKind::usage);
  EXPECT_THAT(error.message, HasSubstr("test.config:3: CONFIG_REFUSED=y"));
  EXPECT_THAT(error.message, HasSubstr("needs NEVER (NEVER=n) (Kconfig:3)"));
}

TEST_F(BuildTest, UnknownRevisionAndDirtyTreeAreUsageErrors) {
  EXPECT_EQ(must_fail(linux_.request("v9.9")).kind, ErrorKind::usage);
  write(linux_.tree() / "kernel/fork.c", "changed");
  EXPECT_EQ(must_fail(linux_.request("HEAD")).kind, ErrorKind::usage);
  must_build(linux_.request(linux_.git({"rev-parse", "HEAD"})));
}

TEST_F(BuildTest, AMissingCompilerIsTheHostsFault) {
  BuildRequest request = linux_.request("HEAD");
  request.compiler = "gcc-is-not-here";
  const Error error = must_fail(request);
  EXPECT_EQ(error.kind, ErrorKind::environment);
  EXPECT_THAT(error.message, HasSubstr("gcc-is-not-here"));
  EXPECT_THAT(error.hint, HasSubstr("apt-get install"));
}

TEST_F(BuildTest, AToolThatMakeMissesIsTheHostsFault) {
  linux_.object_recipe("echo '/bin/sh: 1: flex: not found' >&2; exit 127");
  linux_.commit("needs flex");
  const Error error = must_fail(linux_.request("HEAD"));
  EXPECT_EQ(error.kind, ErrorKind::environment);
  EXPECT_THAT(error.message, HasSubstr("flex is not installed"));
}

TEST_F(BuildTest, AFullDiskIsTheHostsFaultAndLeavesNoEntry) {
  linux_.object_recipe("cat $1 >/dev/full && cp $1 $2");
  linux_.commit("writes to a full device");
  const Error error = must_fail(linux_.request("HEAD"));
  EXPECT_EQ(error.kind, ErrorKind::environment);
  EXPECT_THAT(error.message, HasSubstr("the disk is full"));
  EXPECT_THAT(entries(), ElementsAre("log", "objects"));
}

TEST_F(BuildTest, AnInterruptedBuildIsResumedWhereItWas) {
  // The second object takes for ever, once.
  linux_.object_recipe("case $1 in *fork.c) test -e " + (linux_.root() / "go").string() +
                       " || { echo '  CC      waiting.o'; : >$2; sleep 1000; };; esac; cp $1 $2");
  linux_.commit("slow");
  interrupt_at("waiting.o");
  EXPECT_THAT(entries(), ElementsAre("log", "objects"));
  write(linux_.root() / "go", "");
  const Built built = must_build(linux_.request("HEAD"));
  EXPECT_EQ(built.compiled, 1u);  // the first one was kept, the half one was not
  EXPECT_EQ(read_file(built.directory / "arch/x86/boot/bzImage").value(), "exitfork");
}

TEST_F(BuildTest, AnObjectWrittenAfterMakeHadCleanedUpIsNotKept) {
  linux_.object_recipe("go=" + (linux_.root() / "go").string() + R"(
    test -e $go && { cp $1 $2; exit; }
    trap 'while test -e $2; do sleep .01; done; : >$2; exit 1' TERM
    : >$2; echo '  CC      waiting.o'; while :; do sleep .01; done)");
  linux_.commit("writes late");
  interrupt_at("waiting.o");
  write(linux_.root() / "go", "");
  const Built built = must_build(linux_.request("HEAD"));
  EXPECT_EQ(read_file(built.directory / "arch/x86/boot/bzImage").value(), "exitfork");
}

TEST_F(BuildTest, ObjectsOfABuildThatWasKilledAreNotTrusted) {
  must_build(linux_.request("HEAD"));
  for (const auto& entry : fs::directory_iterator(linux_.cache() / "build/objects"))
    if (entry.is_directory()) write(entry.path().string() + ".unfinished", "");
  write(linux_.tree() / "kernel/fork.c", "FORK");
  linux_.commit("change one");
  EXPECT_EQ(must_build(linux_.request("HEAD")).compiled, 2u);
}

TEST_F(BuildTest, AGitReferenceResolvesToTheKernelThatWasBuilt) {
  write(linux_.root() / "image", testing::make_bzimage("6.1.0-fake"));
  linux_.object_recipe("case $1 in *exit.c) cp " + (linux_.root() / "image").string() +
                       " $2;; *) : >$2;; esac");
  linux_.commit("a bootable image");
  const BuildRequest request = linux_.request("HEAD");
  ResolveOptions options{.cache_dir = linux_.cache()};
  const auto without = resolve(GitReference{"HEAD"}, options);
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().hint, HasSubstr("--tree"));
  options.git = {.tree = linux_.tree(), .fragments = request.fragments, .jobs = 1};
  const auto kernel = resolve(GitReference{"HEAD"}, options);
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->release, "6.1.0-fake");
  EXPECT_THAT(kernel->source, HasSubstr("git:HEAD (commit "));
  EXPECT_TRUE(kernel->config);
}

TEST(HostTroubleTest, IsToldFromBrokenSources) {
  EXPECT_THAT(host_trouble("x\nfatal error: gelf.h: No such file or directory\n").hint,
              HasSubstr("libelf-dev"));
  EXPECT_THAT(host_trouble("gcc: fatal error: Killed signal terminated program cc1").hint,
              HasSubstr("fewer jobs"));
  EXPECT_EQ(host_trouble("mm/x.c:1:10: fatal error: linux/y.h: No such file or directory").message,
            "");
}

}  // namespace
}  // namespace ktrial::kernel
