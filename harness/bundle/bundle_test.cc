// A run, made into a bundle and read again: what is in it, and what is not.
#include <gmock/gmock.h>

#include "harness/bundle/reader.h"
#include "harness/bundle/report.h"
#include "harness/bundle/testing.h"
#include "results/schema_check.h"
#include "results/store/artifacts.h"

namespace ktrial::bundle {
namespace {
namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr char kOops[] =
    "[    0.000000] Linux version 6.1 (alice@build7.example.org) (gcc)\n"
    "[    9.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008\n";

// A run of Alice's, on her host, of a kernel of her own and a program of her home.
class BundleTest : public testing::Test {
 protected:
  void SetUp() override {
    auto dir = TempDir::create();
    ASSERT_TRUE(dir);
    dir_.emplace(*std::move(dir));
    home_ = dir_->path() / "home" / "alice";
    fs::create_directories(home_);
    add_secret(secrets_, {"home folder", home_.string().substr(1), true});
    add_secret(secrets_, {"user name", "alice"});
    add_host_name(secrets_, "build7.example.org");
    const fs::path image = home_ / "bzImage";
    ASSERT_TRUE(write_file_atomically(image, "a kernel, built by alice@build7"));
    auto store = results::Store::open(home_ / "results");
    ASSERT_TRUE(store);
    store_.emplace(*std::move(store));
    results::SpecSummary spec;
    spec.kernel = image.string();
    spec.command = {"./crash", (home_ / "input").string()};
    spec.cpus = 2;
    spec.memory_mib = 512;
    spec.accel = "tcg";
    spec.machine = "q35";
    auto run = store_->begin_run(spec, {"ktrial", "run", image.string()});
    ASSERT_TRUE(run);
    run->set_facts({{"kernel.image", image.string()},
                    {"kernel.source", "image " + image.string()},
                    {"kernel.sha256", *kernel::sha256_file(image)},
                    {"guest.program", (home_ / "crash").string()}});
    ASSERT_TRUE(write_file_atomically(run->path() / "initramfs.cpio",
                                      home_.string().substr(1) + "/crash\0alice is a word here"));
    for (int index : {0, 1}) add_trial(*run, index);
    ASSERT_TRUE(run->finish());
    run_ = *store_->load("last");
  }

  void add_trial(results::RunDir& run, int index) {
    const auto folder = run.begin_trial(index);
    ASSERT_TRUE(folder);
    results::TrialRecord trial =
        results::trial(index, index == 1 ? results::Outcome::fail : results::Outcome::pass);
    trial.host = {"build7.example.org", "Some CPU", 8, "6.6", "9.1"};
    trial.kernel = {.release = "6.1", .image_sha256 = *kernel::sha256_file(home_ / "bzImage")};
    trial.facts = {{"kernel.command_line", "console=ttyS0 lpj=5"}};
    ASSERT_TRUE(write_file_atomically(*folder / "console.log", kOops));
    ASSERT_TRUE(write_file_atomically(*folder / "console.times", "0 12\n"));
    ASSERT_TRUE(write_file_atomically(
        *folder / "events.jsonl",
        R"({"t":1,"type":"step","text":"booting )" + home_.string() + R"(/bzImage"})" + "\n"));
    ASSERT_TRUE(write_file_atomically(*folder / "qemu.sh", "-kernel " + home_.string()));
    ASSERT_TRUE(write_file_atomically(*folder / "trace.dat", "exec " + home_.string() + "/crash"));
    ASSERT_TRUE(write_file_atomically(*folder / "vmcore", "memory of alice"));
    ASSERT_TRUE(run.add_trial(trial));
  }

  // The failing trial, as one that comes back bit for bit.
  void make_deterministic() {
    results::TrialRecord& trial = run_.trials[1];
    trial.determinism = results::Determinism{.seed = 3, .runs = 2};
    ASSERT_TRUE(write_file_atomically(trial.artifacts / "registers.txt", "PC=1\n"));
    ASSERT_TRUE(write_file_atomically(trial.artifacts / "paths.txt", "b 1 2 3\n"));
  }

  Result<Written> write(const WriteOptions& options = {}) {
    return write_bundle(run_, options, secrets_, file());
  }
  fs::path file() const { return dir_->path() / "bug.ktrial"; }
  // Member -> bytes.
  std::map<std::string, std::string> read(Stage stage = Stage::memory) {
    std::map<std::string, std::string> out;
    const auto manifest =
        read_bundle_file(file(), stage, [&](const Member& member, std::string_view bytes) {
          out[member.name] += bytes;
          return Status();
        });
    EXPECT_TRUE(manifest) << manifest.error().message;
    return out;
  }

  std::optional<TempDir> dir_;
  fs::path home_;
  std::vector<Secret> secrets_;
  std::optional<results::Store> store_;
  results::RunRecord run_;
};

// All that a replay and --diff-seeds look at; and no bundle promises what it cannot hold.
TEST_F(BundleTest, OfADeterministicTrialItHasTheEndStateAndThePaths) {
  make_deterministic();
  ASSERT_TRUE(write_file_atomically(run_.directory / "initramfs.cpio", "a guest of nobody's"));
  auto written = write();
  ASSERT_TRUE(written) << written.error().message;
  auto members = read();
  EXPECT_EQ(members["trials/000/registers.txt"], "PC=1\n");
  EXPECT_EQ(members["trials/000/paths.txt"], "b 1 2 3\n");
  EXPECT_THAT(members["trials/000/verdict.json"], HasSubstr("\"determinism\""));
  const auto promises = [&] {
    return std::ranges::none_of(written->manifest.left_out, [](const LeftOut& one) {
      return one.what.contains("bit for bit");
    });
  };
  EXPECT_TRUE(promises());
  fs::remove(file());
  ASSERT_TRUE(write_file_atomically(run_.directory / "initramfs.cpio",
                                    home_.string().substr(1) + "/crash"));
  written = write();
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_FALSE(promises());
}

TEST_F(BundleTest, HoldsTheTrialThatNamesTheRunAndNothingPrivate) {
  const auto written = write();
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->manifest.trial, 1);
  EXPECT_EQ(written->bytes, fs::file_size(file()));
  auto members = read();
  for (const char* name : {"job.json", "run.json", "trials/000/verdict.json", "kernel",
                           "trials/000/console.log", "trials/000/events.jsonl", "initramfs.cpio"})
    EXPECT_TRUE(members.contains(name)) << name;
  EXPECT_FALSE(members.contains("trials/000/vmcore"));
  EXPECT_EQ(members["kernel"], "a kernel, built by alice@build7") << "its hash is its name";
  members.erase("kernel");
  for (const auto& [name, bytes] : members) {
    if (name != "initramfs.cpio") {
      EXPECT_THAT(bytes, Not(HasSubstr("alice"))) << name;
    }
    for (const char* secret : {"home/alice", "build7"})
      EXPECT_THAT(bytes, Not(HasSubstr(secret))) << name;
  }
  EXPECT_THAT(members["initramfs.cpio"], HasSubstr("home/xxxxx/crash"));
  EXPECT_EQ(members["trials/000/console.log"].size(), sizeof kOops - 1) << "offsets stay";
  EXPECT_THAT(members["trials/000/console.log"], HasSubstr("(xxxxx@xxxxxxxxxxxxxxxxxx)"));
  std::string told;
  for (const LeftOut& one : written->manifest.left_out) told += one.what + ": " + one.how + "\n";
  EXPECT_THAT(told, HasSubstr("home folder: blotted out"));
  EXPECT_THAT(told, HasSubstr("user name: kept in "));
  EXPECT_THAT(told, HasSubstr("1 other trials"));
  EXPECT_THAT(told, Not(HasSubstr("alice")));
  EXPECT_THAT(text_of(*written, "bug.ktrial"), HasSubstr("host name: blotted out"));
  results::expect_schema(members[kManifest], "bundle-manifest");
  results::expect_schema(json_of(*written, "bug.ktrial"), "bundle");
}

// Who bundles a run need not be who ran it.
TEST_F(BundleTest, NamesNobodyWhomTheRecordNames) {
  run_.working_dir = "/export/home/bertha/lab";
  run_.argv = {"ktrial", "run", "--connect", "qemu+ssh://carol@lab77.example.net/system"};
  run_.facts.emplace_back("kernel.source", "image /people/dieter/.cache/ktrial/vmlinuz");
  run_.trials[0].host.name = "tower9";
  run_.trials[0].verdict.title = "WARNING in /srv/home/vfork/x";
  ASSERT_TRUE(
      write_file_atomically(run_.trials[1].artifacts / "console.log",
                            "bertha@tower9 /export/home/bertha carol lab77 dieter vfork\n"));
  secrets_.clear();
  ASSERT_TRUE(write());
  auto members = read();
  members.erase("kernel");
  for (const auto& [name, bytes] : members)
    for (const char* secret : {"bertha", "carol", "dieter", "tower9", "lab77"})
      EXPECT_THAT(bytes, Not(HasSubstr(secret))) << name;
  EXPECT_THAT(members["trials/000/console.log"], HasSubstr("vfork")) << "a guest names nobody";
}

TEST_F(BundleTest, CarriesTheJobAsValues) {
  ASSERT_TRUE(write());
  const auto job = run::parse_job(read()["job.json"], "job.json");
  ASSERT_TRUE(job) << job.error().message;
  const std::string hidden = home_.parent_path().string() + "/xxxxx";
  EXPECT_EQ(job->spec.kernel, "bzImage");
  EXPECT_EQ(job->spec.command, (std::vector<std::string>{hidden + "/crash", hidden + "/input"}));
  EXPECT_EQ(job->spec.cpus, 2);
  EXPECT_TRUE(job->build == run::Build{});
  EXPECT_TRUE(job->argv.empty());
}

TEST_F(BundleTest, LeavesOutWhatWasAskedFor) {
  const auto written = write({.trial = 0, .kernel = false, .memory = true});
  ASSERT_TRUE(written) << written.error().message;
  auto members = read();
  EXPECT_FALSE(members.contains("kernel"));
  EXPECT_EQ(members["trials/000/vmcore"], "memory of alice");
  EXPECT_EQ(written->manifest.kernel.sha256.size(), 64u);
  EXPECT_FALSE(read(Stage::machine).contains("trials/000/vmcore"));
  EXPECT_FALSE(read(Stage::evidence).contains("initramfs.cpio"));
}

TEST_F(BundleTest, TellsThatTheKernelIsNotThatAnyMore) {
  ASSERT_TRUE(write_file_atomically(home_ / "bzImage", "another"));
  const auto written = write();
  ASSERT_TRUE(written);
  EXPECT_FALSE(written->manifest.kernel.included);
  EXPECT_THAT(written->manifest.left_out,
              Contains(LeftOut{"kernel image", "left out: the file was changed since"}));
}

TEST_F(BundleTest, NeverReplacesAFile) {
  ASSERT_TRUE(write_file_atomically(file(), "a thesis"));
  const auto written = write();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::usage);
  EXPECT_EQ(read_file(file()).value_or(""), "a thesis");
}

TEST_F(BundleTest, IsJudgedAndComparedAsItsRunIs) {
  ASSERT_TRUE(write());
  auto janitor = Janitor::start();
  ASSERT_TRUE(janitor);
  const auto bundle = open_kept(*store_, file().string(), Stage::evidence, *janitor);
  const auto run = open_kept(*store_, "last", Stage::evidence, *janitor);
  ASSERT_TRUE(bundle && run) << bundle.error().message;
  EXPECT_TRUE(fs::exists(bundle->folder() / "run.json"));
  const auto compared = compare(*run, *bundle, std::nullopt);
  ASSERT_TRUE(compared) << compared.error().message;
  EXPECT_TRUE(same_verdict(compared->a, compared->b));
  EXPECT_THAT(compared->different, testing::IsEmpty());
  ASSERT_TRUE(compared->console) << "the builder's name was blotted out";
  EXPECT_EQ(compared->console->line_a, 1u);
  // The stored verdict is made up; what the console shows is an oops.
  const auto judged = judge_again(*bundle, std::nullopt);
  ASSERT_TRUE(judged) << judged.error().message;
  EXPECT_EQ(judged->verdict.kind, results::Kind::null_dereference);
  ASSERT_EQ(judged->trials.size(), 1u);
  EXPECT_THAT(judged->trials[0].changed,
              Contains(Difference{"kind", "soft_lockup", "null_dereference"}));
  EXPECT_THAT(judged->trials[0].assumed, Contains(HasSubstr("no evidence.json")));
  results::expect_schema(json_of(*judged, *bundle), "replay");
  results::expect_schema(json_of(*compared, "a", "b"), "replay");
  Replayed replayed{.trial = 1, .then = run_.verdict, .now = run_, .same = 1};
  replayed.different = {{"QEMU", "9.1", "7.2"}};
  replayed.notes = {"initramfs: none"};
  results::expect_schema(json_of(replayed, "bug.ktrial"), "replay");
  EXPECT_THAT(text_of(replayed, "b\x1b[2J"), Not(HasSubstr("\x1b")));
}

TEST(SecretsTest, ARecordNamesPeopleByTheirPlaces) {
  struct Row {
    const char* record;
    std::vector<std::string> names;
  };
  const Row kTable[] = {{"/ho"
                         "me/ann/x",
                         {"home/ann", "ann"}},
                        {R"("/var/home/ann","--kernel")", {"var/home/ann", "ann"}},
                        {"/people/ann/.cache/ktrial", {"people/ann", "ann"}},
                        {"qemu+ssh://ann@tower.lan:22/system", {"tower.lan", "tower", "ann"}},
                        {"qemu:///system", {}},
                        {"https://git.example.org/x.git", {}},
                        {"/ro"
                         "ot/.cache/ktrial /srv/home/builder/x",
                         {}}};
  for (const Row& row : kTable) {
    std::vector<Secret> secrets;
    add_people(secrets, row.record);
    std::vector<std::string> names;
    for (const Secret& secret : secrets) names.push_back(secret.text);
    EXPECT_EQ(names, row.names) << row.record;
  }
}

TEST(SecretsTest, BlotsOutWordsAndPaths) {
  std::vector<Secret> secrets;
  add_secret(secrets, {"home folder", "people/ann", true});
  add_secret(secrets, {"user name", "ann"});
  add_host_name(secrets, "tower.lan");
  for (const char* role : {"root", "test", "kernel", "42", "", "me"})
    add_secret(secrets, {"r", role});
  EXPECT_EQ(secrets.size(), 4u);
  struct Row {
    const char *text, *out;
    Matter matter = Matter::text;
  };
  for (const Row& row :
       std::initializer_list<Row>{{"/people/ann/linux", "/people/xxx/linux"},
                                  {"people/ann", "people/xxx"},
                                  {"/people/anna annex planner", "/people/anna annex planner"},
                                  {"ann@tower.lan ANN", "xxx@xxxxxxxxx ANN"},
                                  {"tower tower.lan.", "xxxxx xxxxxxxxx."},
                                  {"ann_x annann ann", "ann_x annann xxx"},
                                  {"/srv/ann/x ann", "/srv/xxx/x ann", Matter::files},
                                  {"people/ann/x", "people/xxx/x", Matter::files}}) {
    std::string text = row.text;
    blot_out(text, secrets, row.matter);
    EXPECT_EQ(text, row.out);
  }
}

TEST(ConsoleDiffTest, KnowsWhatChangesFromBootToBoot) {
  struct Row {
    const char *a, *b;
    bool same;
  };
  for (const Row& row :
       std::initializer_list<Row>{{"[    0.10] x", "[   12.345678] x", true},
                                  {"[    0.1][    T1] x", "[    0.2][   T77] x", true},
                                  {"\x1b[2Jx", "x", true},
                                  {"at ffffffff81000000 now", "at ffff888003a00000 now", true},
                                  {"RIP: 0010:f+0x55/0x90", "RIP: 0010:f+0x1/0x2", true},
                                  {"tsc: Detected 2095.078 MHz", "tsc: Detected 1.5 MHz", true},
                                  {"took 12 usecs", "took 9 usecs", true},
                                  {"a lpj=5 b", "a lpj=77 b", true},
                                  {"CPU: 1", "CPU: 2", false},
                                  {"BUG: a", "BUG: b", false}}) {
    EXPECT_EQ(!first_difference(row.a, row.b), row.same) << row.a;
  }
  EXPECT_FALSE(first_difference("", "\n\r\n"));
  const auto parting = first_difference("[1.0] a\n\nb\nc\n", "[2.0] a\nb\r\nd\n");
  ASSERT_TRUE(parting);
  EXPECT_EQ(*parting, (Parting{4, 3, "c", "d"}));
  EXPECT_EQ(first_difference("a\n", "a\nb\n"), (Parting{2, 2, "", "b"}));
}

}  // namespace
}  // namespace ktrial::bundle
