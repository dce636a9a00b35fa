// Bundles from strangers: each is refused with a reason, and nothing is written but what a bundle
// has, below the folder that was given.
#include <gmock/gmock.h>

#include "harness/bundle/job.h"
#include "harness/bundle/reader.h"
#include "harness/bundle/testing.h"

namespace ktrial::bundle {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

struct Case {
  const char* name;
  std::function<std::string()> bytes;
  const char* complaint;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

auto draft(std::function<void(Draft&)> change) {
  return [change] {
    Draft made;
    change(made);
    return made.bytes();
  };
}
// The manifest's JSON, changed.
auto told(std::function<void(results::Json&)> change) {
  return draft([change](Draft& made) {
    made.describe();
    auto json = *results::parse_json(to_json(made.manifest));
    change(json);
    made.text = results::dump(json);
  });
}
// In the place of job.json, but the manifest tells of job.json.
auto instead(Entry entry) {
  return draft([entry](Draft& made) {
    made.describe();
    made.entries.front() = entry;
  });
}
auto cut(double share) {
  return [share] {
    const std::string whole = Draft().bytes();
    return whole.substr(0, static_cast<std::size_t>(static_cast<double>(whole.size()) * share));
  };
}
auto bytes(std::string text) {
  return [text] { return text; };
}

const Case kCases[] = {
    {"Empty", bytes(""), "not a bundle"},
    {"Text", bytes("#!/bin/sh\nrm -rf /\n"), "not a bundle"},
    {"Gzip", [] { return pack({{kManifest, "{}"}}, ARCHIVE_FILTER_GZIP); }, "not a bundle"},
    {"PlainTarOfNothing", [] { return pack({}, ARCHIVE_FILTER_NONE); }, "ends before manifest"},
    {"NothingInIt", [] { return pack({}); }, "ends before manifest.json"},
    {"CutInTheManifest", cut(.1), "bundle"},
    {"CutInTheMiddle", cut(.6), "bundle"},
    {"CutAtTheEnd", cut(.9), "bundle"},
    {"NoManifest", [] { return pack({{"job.json", "{}"}}); }, "where manifest.json is due"},
    {"ManifestIsNoJson", draft([](Draft& d) { d.text = "{\"bundle\": 1,"; }), "not a JSON object"},
    {"ManifestIsDeep", draft([](Draft& d) { d.text = std::string(500000, '['); }),
     "not a JSON object"},
    {"ManifestIsTooLong", draft([](Draft& d) { d.text = std::string(2 << 20, ' '); }), "at most"},
    {"NewerFormat", told([](results::Json& m) { m["bundle"] = 3; }), "newer than 2"},
    {"NoFormat", told([](results::Json& m) { m.erase("bundle"); }), "version of the format"},
    {"AbsolutePath", instead({"/tmp/ktrial-evil", "x"}), "it holds '/tmp/ktrial-evil'"},
    {"ParentFolder", instead({"../evil", "x"}), "it holds '../evil'"},
    {"ParentFolderWithin", instead({"trials/000/../../../evil", "x"}), "it holds 'trials/000/.."},
    {"DotInFront", instead({"./job.json", "x"}), "it holds './job.json'"},
    {"TerminalSequences", instead({"\x1b]0;evil\x07", "x"}), "it holds '\\x1b"},
    {"LongName", instead({std::string(60000, 'n'), "x"}), "it holds 'nnn"},
    {"AnotherTrial", instead({"trials/001/verdict.json", "x"}), "it holds 'trials/001/verdict"},
    {"Symlink", instead({"job.json", "", AE_IFLNK, "/etc/passwd"}), "not a plain file"},
    {"Hardlink", instead({"job.json", "", AE_IFREG, "", "/etc/passwd"}), "not a plain file"},
    {"Device", instead({"job.json", "", AE_IFCHR}), "not a plain file"},
    {"BlockDevice", instead({"job.json", "", AE_IFBLK}), "not a plain file"},
    {"Fifo", instead({"job.json", "", AE_IFIFO}), "not a plain file"},
    {"Folder", instead({"job.json", "", AE_IFDIR}), "where job.json is due"},
    {"FolderThatIsALink", instead({"trials", "", AE_IFLNK, "/tmp"}), "where job.json is due"},
    {"Holes", instead({"job.json", std::string(4096, '\0'), AE_IFREG, "", "", true}), "holes"},
    {"TwiceInTheArchive", draft([](Draft& d) {
       d.describe();
       d.entries.insert(d.entries.begin() + 1, d.entries.front());
     }),
     "where run.json is due"},
    {"TwiceInTheManifest",
     told([](results::Json& m) { m["contents"].push_back(m["contents"][0]); }), "named twice"},
    {"OutOfOrder", draft([](Draft& d) { std::swap(d.entries[0], d.entries[1]); }),
     "out of its order"},
    {"UnknownMember", told([](results::Json& m) { m["contents"][0]["name"] = "qemu.sh"; }),
     "no bundle has"},
    {"ManifestInTheManifest", told([](results::Json& m) { m["contents"][0]["name"] = kManifest; }),
     "out of its order"},
    {"MoreThanTheManifestTells", draft([](Draft& d) {
       d.describe();
       d.entries.push_back({"kernel", "evil"});
     }),
     "does not name"},
    {"LessThanTheManifestTells", draft([](Draft& d) {
       d.describe();
       d.entries.pop_back();
     }),
     "ends before trials/000/console.log"},
    {"WrongDigest",
     told([](results::Json& m) { m["contents"][0]["sha256"] = std::string(64, '0'); }),
     "SHA-256 differs"},
    {"NoDigest", told([](results::Json& m) { m["contents"][0].erase("sha256"); }), "no sha256"},
    {"HugeSize", told([](results::Json& m) { m["contents"][3]["size"] = std::uint64_t{1} << 62; }),
     "of more than"},
    {"NegativeSize", told([](results::Json& m) { m["contents"][3]["size"] = -1; }), "has no size"},
    // 60 MiB of zeros are 2 KiB of zstd.
    {"Bomb", draft([](Draft& d) {
       d.describe();
       d.entry("trials/000/console.log").bytes = std::string(60 << 20, '\0');
     }),
     "has 62914560 bytes, not"},
    {"BombBeyondTheBound",
     draft([](Draft& d) { d.entry("trials/000/console.log").bytes = std::string(70 << 20, '\0'); }),
     "of more than"},
    {"NoConsole", draft([](Draft& d) { d.entries.pop_back(); }), "console.log is missing"},
    {"KernelToldInTwoWays", told([](results::Json& m) { m["kernel"]["included"] = true; }),
     "told in two ways"},
};

// All files below a folder.
std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (!entry.is_directory() || entry.is_symlink())
      out.push_back(entry.path().lexically_relative(folder).string());
  return out;
}

class HostileBundleTest : public testing::TestWithParam<Case> {};
TEST_P(HostileBundleTest, IsRefusedAndWritesNothingOutside) {
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const fs::path file = dir->path() / "bundle", into = dir->path() / "deep/er/into";
  fs::create_directories(into);
  ASSERT_TRUE(write_file_atomically(file, GetParam().bytes()));
  const auto manifest = unpack_bundle(file, Stage::memory, into);
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().kind, ErrorKind::usage);
  EXPECT_THAT(manifest.error().message, HasSubstr(GetParam().complaint));
  EXPECT_THAT(manifest.error().message, HasSubstr(file.string()));
  EXPECT_THAT(manifest.error().message, Not(HasSubstr("\x1b")));
  EXPECT_LT(manifest.error().message.size(), 2000u);
  EXPECT_FALSE(manifest.error().hint.empty());
  for (const std::string& name : files_below(dir->path())) {
    if (name == "bundle") continue;
    ASSERT_TRUE(name.starts_with("deep/er/into/")) << name;
    EXPECT_NE(member(name.substr(13)), nullptr) << name;
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(dir->path() / name))) << name;
  }
  EXPECT_FALSE(fs::exists("/tmp/ktrial-evil"));
}
INSTANTIATE_TEST_SUITE_P(Table, HostileBundleTest, testing::ValuesIn(kCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(BundleReaderTest, TakesAWholeOneThatTheDraftWouldBe) {
  std::string seen;
  const auto manifest = read_bundle(
      Draft().bytes(), Stage::memory, [&](const Member& member, std::string_view bytes) {
        seen += std::string(member.name) + ":" + std::to_string(bytes.size()) + " ";
        return Status();
      });
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_THAT(seen, HasSubstr("console.log:0 trials/000/console.log:33 "));
}

TEST(BundleReaderTest, IsNotHeldUpByAFifo) {
  const auto dir = TempDir::create();
  const fs::path fifo = dir->path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const fs::path& path : {fifo, fs::path("/dev/zero"), fs::path("/nonexistent")}) {
    const auto manifest = unpack_bundle(path, Stage::memory, dir->path());
    ASSERT_FALSE(manifest) << path;
    EXPECT_EQ(manifest.error().kind, ErrorKind::usage) << path;
  }
}

// ---- what a stranger's job may say

struct JobCase {
  const char* name;
  std::function<void(Draft&, run::Job&)> change;
  const char* complaint;  // nullptr: it is run, without what it should not have said
};
void PrintTo(const JobCase& one, std::ostream* out) { *out << one.name; }

const JobCase kJobs[] = {
    {"KernelOfThisHost",
     [](Draft& d, run::Job& j) { d.manifest.kernel.reference = j.spec.kernel = "/etc/passwd"; },
     "holds no kernel"},
    {"RunningKernel", [](Draft& d, run::Job&) { d.manifest.kernel.reference = "host"; },
     "holds no kernel"},
    {"PackageFile",
     [](Draft& d, run::Job&) { d.manifest.kernel.reference = "deb:../../tmp/evil.deb"; },
     "holds no kernel"},
    {"PackageThatIsAnOption",
     [](Draft& d, run::Job&) { d.manifest.kernel.reference = "deb:-oDir::Bin::dpkg=/tmp/x"; },
     "holds no kernel"},
    {"Branch",
     [](Draft& d, run::Job& j) {
       d.manifest.kernel.reference = j.spec.kernel = "git:HEAD";
       j.build.tree = "/people/alice/linux";
     },
     "holds no kernel"},
    {"MoreMemoryThanThereIs", [](Draft&, run::Job& j) { j.spec.memory_mib = spec::kMaxMemoryMib; },
     "this host"},
    {"ProgramOfThisHost", [](Draft&, run::Job& j) { j.spec.command = {"/bin/sh", "-c", "id"}; },
     "no program of this host"},
    {"CommandLineOfTwoLines", [](Draft&, run::Job& j) { j.spec.append = "a\nb"; }, "one line"},
    {"BadTrace", [](Draft&, run::Job& j) { j.spec.trace = "no_such"; }, "trace"},
    {"LibvirtUri",
     [](Draft&, run::Job& j) {
       j.spec.vmm = spec::Vmm::libvirt;
       j.spec.connect = "qemu+ext:///system?command=touch%20/tmp/ktrial-evil";
     },
     nullptr},
    {"Compiler",
     [](Draft&, run::Job& j) {
       j.build = {
           .tree = "/people/alice/linux", .fragments = {"/etc/shadow"}, .compiler = "/tmp/evil"};
     },
     nullptr},
    {"PlacesOfThisHost",
     [](Draft&, run::Job& j) {
       j.results = "/etc";
       j.cache = "/etc";
       j.working_dir = "/";
       j.initramfs = "/etc/passwd";
       j.argv = {"rm", "-rf", "/"};
     },
     nullptr},
    {"ForEver",
     [](Draft&, run::Job& j) {
       j.spec.repeat = spec::kMaxRepeat;
       j.spec.until_fail = j.spec.core = j.introspect = j.kernel_only = true;
       j.spec.axes = {{"kernel", "/etc/passwd"}};
       j.campaign = "../../evil";
     },
     nullptr},
};

class StrangeJobTest : public testing::TestWithParam<JobCase> {};
TEST_P(StrangeJobTest, ReachesNothingOfTheHost) {
  const auto dir = TempDir::create();
  Draft made;
  run::Job strange{.results = "results"};
  strange.spec.workload = "smoke";
  GetParam().change(made, strange);
  const Kept kept{"bundle",
                  {.id = "x", .directory = dir->path(), .trials = {results::trial(0)}},
                  made.manifest,
                  std::nullopt};
  ASSERT_TRUE(write_file_atomically(dir->path() / "job.json", run::to_json(strange)));
  const Choices choices{.results = "/our/results", .cache = "/our/cache", .argv = {"ktrial"}};
  const auto made_job = replay_job(kept, kept.run.trials[0], choices);
  if (GetParam().complaint != nullptr) {
    ASSERT_FALSE(made_job);
    EXPECT_EQ(made_job.error().kind, ErrorKind::usage);
    EXPECT_THAT(made_job.error().message, HasSubstr(GetParam().complaint));
    return;
  }
  ASSERT_TRUE(made_job) << made_job.error().message;
  const run::Job& job = made_job->job;
  // All that a job may say; what a stranger's may decide upon is not repeated here.
  run::Job ours{.results = "/our/results", .cache = "/our/cache", .argv = {"ktrial"}};
  ours.spec.kernel = made.manifest.kernel.reference;
  ours.spec.workload = "smoke";
  ours.working_dir = fs::current_path();
  EXPECT_EQ(run::to_json(job), run::to_json(ours));
}
INSTANTIATE_TEST_SUITE_P(Table, StrangeJobTest, testing::ValuesIn(kJobs),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace ktrial::bundle
