#include "harness/kernel/build/git_tree.h"

#include <gmock/gmock.h>

#include "harness/kernel/build/build_testing.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::FakeLinux;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::write;

TEST(GitTreeTest, HistoryIsTopologicalWithMergesAndPaths) {
  FakeLinux linux;
  const std::string good = linux.git({"rev-parse", "HEAD"});
  linux.git({"checkout", "--quiet", "-b", "side"});
  write(linux.tree() / "net/a b.c", "1");
  const std::string side = linux.commit("side: a\ttab");
  linux.git({"checkout", "--quiet", "main"});
  write(linux.tree() / "mm/x.c", "1");
  write(linux.tree() / "mm/\"quoted\".c", "1");
  const std::string main = linux.commit("main: x");
  linux.git({"merge", "--quiet", "--no-ff", "-m", "Merge side", "side"});
  const std::string bad = linux.git({"rev-parse", "HEAD"});

  const auto tree = GitTree::open(linux.tree());
  ASSERT_TRUE(tree) << tree.error().message;
  const auto history = tree->history(good, "HEAD");
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_THAT(*history, ::testing::UnorderedElementsAre(Commit{main, "main: x", {good}},
                                                        Commit{side, "side: a\ttab", {good}},
                                                        Commit{bad, "Merge side", {main, side}}));
  EXPECT_EQ(history->back().hash, bad);
  const auto paths = tree->touched_paths(good, bad);
  ASSERT_TRUE(paths) << paths.error().message;
  ASSERT_EQ(paths->size(), 3u);
  for (const CommitPaths& commit : *paths) {
    if (commit.hash == main)
      EXPECT_THAT(commit.paths, ElementsAre("mm/\"quoted\".c", "mm/x.c"));
    else if (commit.hash == side)
      EXPECT_THAT(commit.paths, ElementsAre("net/a b.c"));
    else
      EXPECT_THAT(commit.paths, IsEmpty()) << commit.hash;
  }
  EXPECT_EQ(tree->subject(main).value(), "main: x");
}

TEST(GitTreeTest, RangesThatAreNoneAreUsageErrors) {
  FakeLinux linux;
  const std::string first = linux.git({"rev-parse", "HEAD"});
  const std::string second = linux.commit("second");
  linux.git({"checkout", "--quiet", "-b", "side", first});
  const std::string side = linux.commit("side");
  const auto tree = GitTree::open(linux.tree());
  ASSERT_TRUE(tree);
  EXPECT_TRUE(tree->is_ancestor(first, second).value());
  EXPECT_FALSE(tree->is_ancestor(second, first).value());
  const auto same = tree->history(first, "main~1");
  ASSERT_FALSE(same);
  EXPECT_THAT(same.error().message, HasSubstr("same commit"));
  const auto reversed = tree->history(second, first);
  ASSERT_FALSE(reversed);
  EXPECT_THAT(reversed.error().message, HasSubstr("comes after bad"));
  const auto apart = tree->history(side, second);
  ASSERT_FALSE(apart);
  EXPECT_EQ(apart.error().kind, ErrorKind::usage);
  EXPECT_THAT(apart.error().hint, HasSubstr(first));
}

TEST(GitTreeTest, UnknownRevisionsAndFoldersAreUsageErrors) {
  FakeLinux linux;
  const auto tree = GitTree::open(linux.tree());
  ASSERT_TRUE(tree);
  for (const char* revision : {"v9.9", "", "--help", "HEAD:Makefile", "a b"}) {
    const auto commit = tree->commit(revision);
    ASSERT_FALSE(commit) << revision;
    EXPECT_EQ(commit.error().kind, ErrorKind::usage);
    EXPECT_THAT(commit.error().message, HasSubstr("no such commit"));
  }
  EXPECT_EQ(GitTree::open(linux.root()).error().kind, ErrorKind::usage);
  EXPECT_EQ(GitTree::open(linux.root() / "none").error().kind, ErrorKind::usage);
}

TEST(GitTreeTest, UncommittedChangesMatterOnlyWhereTheCheckoutIsMeant) {
  FakeLinux linux;
  const std::string head = linux.git({"rev-parse", "HEAD"});
  const auto tree = GitTree::open(linux.tree());
  ASSERT_TRUE(tree);
  write(linux.tree() / "untracked", "1");
  EXPECT_TRUE(tree->refuse_dirty("HEAD"));
  write(linux.tree() / "kernel/fork.c", "changed");
  for (const char* revision : {"HEAD", "@", "main", "refs/heads/main"}) {
    const auto refused = tree->refuse_dirty(revision);
    ASSERT_FALSE(refused) << revision;
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    EXPECT_THAT(refused.error().message, HasSubstr("kernel/fork.c"));
  }
  EXPECT_TRUE(tree->refuse_dirty(head));
  EXPECT_TRUE(tree->refuse_dirty("HEAD~1"));
}

TEST(GitTreeTest, AnExportWritesOnlyWhatDiffersAndNothingToTheUser) {
  FakeLinux linux;
  const std::string first = linux.git({"rev-parse", "HEAD"});
  write(linux.tree() / "kernel/fork.c", "new");
  const std::string second = linux.commit("second");
  write(linux.tree() / "kernel/fork.c", "not committed");
  const auto tree = GitTree::open(linux.tree());
  ASSERT_TRUE(tree);
  const fs::path scratch = linux.root() / "scratch";
  const std::string before = linux.git({"for-each-ref"}) + linux.git({"worktree", "list"});
  ASSERT_TRUE(tree->export_to(scratch, first));
  EXPECT_EQ(read_file(scratch / "kernel/fork.c").value(), "fork");
  const auto untouched = fs::last_write_time(scratch / "kernel/exit.c");
  const auto exported = tree->export_to(scratch, second);
  ASSERT_TRUE(exported) << exported.error().message;
  EXPECT_EQ(read_file(scratch / "kernel/fork.c").value(), "new");
  EXPECT_EQ(fs::last_write_time(scratch / "kernel/exit.c"), untouched);
  EXPECT_EQ(read_file(linux.tree() / "kernel/fork.c").value(), "not committed");
  EXPECT_EQ(linux.git({"for-each-ref"}) + linux.git({"worktree", "list"}), before);
}

}  // namespace
}  // namespace ktrial::kernel
