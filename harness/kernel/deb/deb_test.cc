// Debian packages, from files and from a small repository that apt reads
// through file: URIs. The machine's own apt configuration is not touched.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <thread>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/kernel/deb/catalog.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/kernel.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::make_bzimage;
using testing::make_deb;
using testing::make_module;
using ::testing::Not;
using testing::write;
using Files = std::vector<std::pair<std::string, std::string>>;

Files image_and_modules(const std::string& release) {
  return {{"./boot/vmlinuz-" + release, make_bzimage(release)},
          {"./boot/config-" + release, "CONFIG_X=y\n"},
          {"./lib/modules/" + release + "/kernel/a.ko", make_module("a", "", release)},
          {"./lib/modules/" + release + "/modules.builtin", "kernel/b.ko\n"},
          {"./usr/share/doc/x", "not a part of a kernel"}};
}

class DebTest : public ::testing::Test {
 protected:
  fs::path root() const { return dir_->path(); }
  ResolveOptions options(bool offline = false) {
    // Relative: users name folders so, and apt is run in other directories.
    return {.cache_dir = fs::relative(root() / "cache"),
            .offline = offline,
            .progress = [this](std::string_view line) { progress_.emplace_back(line); },
            .stop = {}};
  }
  Result<Kernel> get(const std::string& text, bool offline = false) {
    progress_.clear();
    auto reference = parse_reference(text);
    if (!reference) return std::unexpected(reference.error());
    return resolve(*reference, options(offline));
  }
  Result<TempDir> dir_ = TempDir::create();
  std::vector<std::string> progress_;
};

TEST_F(DebTest, FileIsUnpackedOnceAndKeptByContent) {
  const fs::path deb = root() / "linux-image-6.1.0-x_1_amd64.deb";
  make_deb(deb, "Package: linux-image-6.1.0-x\nVersion: 1\n", image_and_modules("6.1.0-x"));
  auto kernel = get("deb:" + deb.string());
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->release, "6.1.0-x");
  EXPECT_EQ(kernel->source, "Debian package linux-image-6.1.0-x version 1");
  ASSERT_TRUE(kernel->modules_dir);
  ASSERT_TRUE(kernel->config);
  EXPECT_TRUE(fs::exists(*kernel->modules_dir / "kernel/a.ko"));
  EXPECT_TRUE(fs::exists(*kernel->modules_dir / "modules.builtin"));
  EXPECT_FALSE(fs::exists(root() / "cache/deb" / ("file-" + *sha256_file(deb)) / "usr"));

  const fs::path image = kernel->image;
  make_deb(deb, "Package: linux-image-6.1.0-x\nVersion: 1\n", image_and_modules("6.1.0-y"));
  kernel = get("deb:" + deb.string());
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_EQ(kernel->release, "6.1.0-y");
  EXPECT_TRUE(fs::exists(image));
}

TEST_F(DebTest, HostileAndBrokenFilesAreRefused) {
  const fs::path deb = root() / "x.deb";
  make_deb(deb, "Package: x\n", {{"../../boot/escaped", "x"}, {"boot/../../escaped", "x"}});
  EXPECT_FALSE(get("deb:" + deb.string()));
  EXPECT_FALSE(fs::exists(root() / "escaped"));
  EXPECT_FALSE(fs::exists(root() / "cache/escaped"));

  make_deb(deb, "Package: x\nVersion: 1\n", image_and_modules("6.1.0-x"));
  const std::string whole = *read_file(deb);
  for (std::size_t size : {std::size_t{0}, std::size_t{20}, whole.size() / 2}) {
    write(deb, whole.substr(0, size));
    auto kernel = get("deb:" + deb.string());
    ASSERT_FALSE(kernel) << size;
    EXPECT_EQ(kernel.error().kind, ErrorKind::usage);
    EXPECT_THAT(kernel.error().message, HasSubstr("x.deb"));
  }
  // Nothing half-unpacked stays behind.
  for (const auto& entry : fs::directory_iterator(root() / "cache/deb"))
    EXPECT_THAT(entry.path().extension(), Not(fs::path(".tmp")));
  EXPECT_THAT(get("deb:" + (root() / "none.deb").string()).error().message, HasSubstr("none.deb"));
}

TEST_F(DebTest, ConcurrentUsersOfOnePackageAllGetIt) {
  const fs::path deb = root() / "x.deb";
  make_deb(deb, "Package: x\nVersion: 1\n", image_and_modules("6.1.0-x"));
  std::vector<Result<Kernel>> results(8, usage_error("not run"));
  {
    std::vector<std::jthread> threads;
    for (auto& result : results)
      threads.emplace_back(
          [&] { result = resolve(DebFileReference{deb}, {.cache_dir = root() / "cache"}); });
  }
  for (const auto& result : results) EXPECT_TRUE(result) << result.error().message;
}

// A repository with the suite that the "machine" uses, and a backports suite
// of a later release that it does not.
class AptRepositoryTest : public DebTest {
 protected:
  void SetUp() override {
    auto apt = run_command({"apt-get", "--version"});
    if (!apt || !apt->ok()) GTEST_SKIP() << "no apt on this host";
    write(root() / "machine/sources.list",
          "deb [trusted=yes] file:" + (root() / "repo").string() + " bookworm main\n");
    write(root() / "machine/status", "");
    write(root() / "machine/apt.conf",
          "Dir::Etc::sourcelist \"" + (root() / "machine/sources.list").string() + "\";\n" +
              "Dir::Etc::sourceparts \"/dev/null\";\n" + "Dir::State \"" +
              (root() / "machine/state").string() + "\";\n" + "Dir::State::status \"" +
              (root() / "machine/status").string() + "\";\n" + "Dir::Cache \"" +
              (root() / "machine/cache").string() + "\";\n" +
              "Acquire::http::Proxy \"DIRECT\";\nAcquire::Retries \"0\";\n"
              "APT::Architecture \"amd64\";\n#clear APT::Update::Post-Invoke;\n"
              "#clear APT::Update::Post-Invoke-Success;\n");
    fs::create_directories(root() / "machine/state/lists/partial");
    fs::create_directories(root() / "machine/cache/archives/partial");
    ::setenv("APT_CONFIG", (root() / "machine/apt.conf").c_str(), 1);
    publish("bookworm", "linux-image-cloud-amd64", "6.1.1-1",
            "linux-image-6.1.0-1-cloud-amd64 (= 6.1.1-1)", {{"./usr/share/doc/x", ""}});
    publish("bookworm", "linux-image-6.1.0-1-cloud-amd64", "6.1.1-1", "kmod | linux-image-none",
            image_and_modules("6.1.0-1-cloud-amd64"));
    publish("trixie-backports", "linux-image-cloud-amd64", "6.19-1~bpo",
            "linux-image-6.19+deb13-cloud-amd64 (= 6.19-1~bpo)", {{"./usr/share/doc/x", ""}});
    publish("trixie-backports", "linux-image-6.19+deb13-cloud-amd64", "6.19-1~bpo",
            "linux-binary-6.19+deb13-cloud-amd64 (= 6.19-1~bpo), "
            "linux-modules-6.19+deb13-cloud-amd64 (= 6.19-1~bpo)",
            {{"./usr/share/doc/x", ""}});
    publish("trixie-backports", "linux-binary-6.19+deb13-cloud-amd64", "6.19-1~bpo", "",
            {{"./usr/lib/modules/6.19+deb13-cloud-amd64/vmlinuz",
              make_bzimage("6.19+deb13-cloud-amd64")}});
    publish("trixie-backports", "linux-modules-6.19+deb13-cloud-amd64", "6.19-1~bpo", "",
            {{"./usr/lib/modules/6.19+deb13-cloud-amd64/kernel/a.ko",
              make_module("a", "", "6.19+deb13-cloud-amd64")}});
    publish("trixie-backports", "linux-binary-6.20+deb13-cloud-amd64", "6.20-1~bpo", "",
            {{"./boot/vmlinuz-6.20", make_bzimage("6.20+deb13-cloud-amd64")}});
    auto update = run_command({"apt-get", "update"});
    ASSERT_TRUE(update);
    ASSERT_TRUE(update->ok()) << update->err;
  }
  void TearDown() override { ::unsetenv("APT_CONFIG"); }

  void publish(const std::string& suite, const std::string& package, const std::string& version,
               const std::string& depends, const Files& files) {
    const std::string file = "pool/" + package + "_" + version + ".deb";
    std::string control =
        "Package: " + package + "\nVersion: " + version + "\nArchitecture: amd64\n";
    if (!depends.empty()) control += "Depends: " + depends + "\n";
    make_deb(root() / "repo" / file, control, files);
    index_[suite] += control + "Filename: " + file +
                     "\nSize: " + std::to_string(fs::file_size(root() / "repo" / file)) +
                     "\nSHA256: " + *sha256_file(root() / "repo" / file) +
                     "\nMaintainer: x\nDescription: x\n\n";
    const fs::path dists = root() / "repo/dists" / suite;
    write(dists / "main/binary-amd64/Packages", index_[suite]);
    write(dists / "Release",
          "Codename: " + suite + "\nSuite: " + suite +
              "\nArchitectures: amd64\nComponents: main\nDate: Sat, 01 Jan 2022 00:00:00 UTC\n"
              "SHA256:\n " +
              sha256(index_[suite]) + " " + std::to_string(index_[suite].size()) +
              " main/binary-amd64/Packages\n");
  }
  std::map<std::string, std::string> index_;
};

TEST_F(AptRepositoryTest, MetapackageLeadsToItsImageAndIsCached) {
  auto kernel = get("deb:linux-image-cloud-amd64");
  ASSERT_TRUE(kernel) << kernel.error().message << kernel.error().hint;
  EXPECT_EQ(kernel->release, "6.1.0-1-cloud-amd64");
  EXPECT_EQ(kernel->source, "Debian package linux-image-6.1.0-1-cloud-amd64 version 6.1.1-1");
  EXPECT_TRUE(kernel->modules_dir);

  fs::remove_all(root() / "repo/pool");
  kernel = get("deb:linux-image-cloud-amd64");
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_THAT(progress_, IsEmpty());
  EXPECT_TRUE(get("deb:linux-image-6.1.0-1-cloud-amd64=6.1.1-1", true));
}

TEST_F(AptRepositoryTest, OtherSuitesAreSearchedAndPartsJoined) {
  auto kernel = get("deb:linux-image-6.19+deb13-cloud-amd64");
  ASSERT_TRUE(kernel) << kernel.error().message << kernel.error().hint;
  EXPECT_EQ(kernel->release, "6.19+deb13-cloud-amd64");
  EXPECT_TRUE(kernel->modules_dir);
  EXPECT_THAT(progress_, ::testing::Contains(HasSubstr("package lists")));

  // A binary without a modules package is a kernel without modules.
  kernel = get("deb:linux-binary-6.20+deb13-cloud-amd64");
  ASSERT_TRUE(kernel) << kernel.error().message << kernel.error().hint;
  EXPECT_FALSE(kernel->modules_dir);

  // The machine's own release still decides what an unversioned name means.
  kernel = get("deb:linux-image-cloud-amd64");
  ASSERT_TRUE(kernel) << kernel.error().message << kernel.error().hint;
  EXPECT_EQ(kernel->release, "6.1.0-1-cloud-amd64");
  kernel = get("deb:linux-image-cloud-amd64=6.19-1~bpo");
  ASSERT_TRUE(kernel) << kernel.error().message << kernel.error().hint;
  EXPECT_EQ(kernel->release, "6.19+deb13-cloud-amd64");
}

TEST_F(AptRepositoryTest, TheCatalogIsInTheOrderOfVersions) {
  publish("sid", "linux-image-6.1.0-2-cloud-amd64", "6.1.10-1", "",
          image_and_modules("6.1.0-2-cloud-amd64"));
  publish("sid", "linux-image-6.1.0-2-cloud-amd64-dbg", "6.1.10-1", "", {{"./x", ""}});
  publish("bullseye", "linux-image-5.10.0-1-cloud-amd64-unsigned", "5.10.1-1", "",
          image_and_modules("5.10.0-1-cloud-amd64"));
  publish("experimental", "linux-image-7.3-cloud-amd64", "7.3-1~exp1",
          "linux-binary-7.3-cloud-amd64 (= 7.3-1~exp1)", {{"./x", ""}});
  publish("experimental", "linux-binary-unsigned-7.3-cloud-amd64", "7.3-1~exp1", "", {{"./x", ""}});
  publish("experimental", "linux-binary-7.3-cloud-amd64", "7.3-1~exp1", "",
          {{"./usr/lib/modules/7.3-cloud-amd64/vmlinuz", make_bzimage("7.3-cloud-amd64")}});
  ASSERT_TRUE(get("deb:linux-image-6.1.0-1-cloud-amd64"));
  auto kernels = list_packages("linux-image-*-cloud-amd64", options());
  ASSERT_TRUE(kernels) << kernels.error().message;
  std::vector<std::string> references;
  for (const PackagedKernel& kernel : *kernels) references.push_back(kernel.reference());
  EXPECT_THAT(references, ElementsAre("deb:linux-image-5.10.0-1-cloud-amd64-unsigned=5.10.1-1",
                                      "deb:linux-image-6.1.0-1-cloud-amd64=6.1.1-1",
                                      "deb:linux-image-6.1.0-2-cloud-amd64=6.1.10-1",
                                      "deb:linux-image-6.19+deb13-cloud-amd64=6.19-1~bpo",
                                      "deb:linux-binary-6.20+deb13-cloud-amd64=6.20-1~bpo",
                                      "deb:linux-binary-7.3-cloud-amd64=7.3-1~exp1"));
  EXPECT_TRUE((*kernels)[1].cached);
  EXPECT_FALSE(kernels->back().cached);
  EXPECT_GT(kernels->back().size, 0u);

  kernels = list_packages("*", options(true));
  ASSERT_TRUE(kernels) << kernels.error().message;
  EXPECT_EQ(kernels->size(), 1u);
  kernels = list_packages("linux-image-9*", options());
  ASSERT_FALSE(kernels);
  EXPECT_EQ(kernels.error().kind, ErrorKind::usage);
  EXPECT_THAT(kernels.error().message, HasSubstr("linux-image-9*"));
}

TEST_F(AptRepositoryTest, SuitesThatTheMirrorLacksArePassedOverWithAWord) {
  ASSERT_TRUE(list_packages("*", options()));
  EXPECT_THAT(progress_, ::testing::Contains(::testing::AllOf(
                             HasSubstr("passed over: "), HasSubstr("experimental (File not found)"),
                             Not(HasSubstr("trixie-backports")))));
}

TEST_F(AptRepositoryTest, UnknownPackageSuggestsNearNames) {
  auto kernel = get("deb:linux-image-6.18+deb13-cloud-amd64");
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().kind, ErrorKind::usage);
  EXPECT_THAT(kernel.error().hint, HasSubstr("linux-image-6.19+deb13-cloud-amd64"));
  kernel = get("deb:linux-image-cloud-amd64=9");
  ASSERT_FALSE(kernel);
  EXPECT_THAT(kernel.error().hint, HasSubstr("6.1.1-1"));
}

TEST_F(AptRepositoryTest, OfflineNeedsTheCache) {
  auto kernel = get("deb:linux-image-cloud-amd64", true);
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().kind, ErrorKind::environment);
  EXPECT_THAT(kernel.error().message, HasSubstr("not in the cache"));
  EXPECT_THAT(progress_, IsEmpty());
}

TEST_F(AptRepositoryTest, CacheServesWhenTheMirrorIsGone) {
  ASSERT_TRUE(get("deb:linux-binary-6.20+deb13-cloud-amd64"));
  fs::remove_all(root() / "cache/deb/plan");
  fs::remove_all(root() / "cache/apt");
  write(root() / "machine/sources.list",
        "deb [trusted=yes] http://127.0.0.1:1/debian bookworm main\n");
  auto kernel = get("deb:linux-binary-6.20+deb13-cloud-amd64");
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_THAT(progress_, ::testing::Contains(HasSubstr("from the cache")));
  EXPECT_TRUE(get("deb:linux-binary-6.20+deb13-cloud-amd64", true));
}

TEST_F(AptRepositoryTest, StaleMachineListsDoNotHideTheVersionThatExists) {
  fs::remove(root() / "repo/pool/linux-image-6.1.0-1-cloud-amd64_6.1.1-1.deb");
  index_.erase("bookworm");
  publish("bookworm", "linux-image-6.1.0-1-cloud-amd64", "6.1.2-1", "",
          image_and_modules("6.1.0-1-cloud-amd64"));
  auto gone = get("deb:linux-image-6.1.0-1-cloud-amd64=6.1.1-1");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, ErrorKind::usage);
  EXPECT_THAT(gone.error().hint, HasSubstr("6.1.2-1"));
  auto kernel = get("deb:linux-image-6.1.0-1-cloud-amd64");
  ASSERT_TRUE(kernel) << kernel.error().message;
  EXPECT_THAT(kernel->source, HasSubstr("6.1.2-1"));
}

TEST_F(AptRepositoryTest, UnreachableMirrorIsAnEnvironmentError) {
  write(root() / "machine/sources.list",
        "deb [trusted=yes] http://127.0.0.1:1/debian bookworm main\n");
  auto refused = get("deb:linux-image-6.19+deb13-cloud-amd64");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::environment);
  EXPECT_THAT(refused.error().hint, HasSubstr("network"));
  fs::remove_all(root() / "repo");
  auto kernel = get("deb:linux-image-6.19+deb13-cloud-amd64");
  ASSERT_FALSE(kernel);
  EXPECT_EQ(kernel.error().kind, ErrorKind::environment);
  EXPECT_FALSE(kernel.error().hint.empty());
}

}  // namespace
}  // namespace ktrial::kernel
