// A small night: killed in its midst, gone on with, counted by its records; then the next one.
#include <signal.h>

#include <set>

#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class CampaignTest : public E2eTest {
 protected:
  std::string plan(int trials) {
    const auto file = root() / "nightly.toml";
    // Of busybox, where there is one: a night's commands may have a root.
    const std::string command =
        fs::exists("/bin/busybox")
            ? "['sh', '-c', 'vi --help 2>&1 | grep -i busybox']\nroot = 'minimal'\n"
            : "['true']\n";
    EXPECT_TRUE(write_file_atomically(
        file, "name = 'nightly'\nbudget = '30m'\ncommand = " + command +
                  "memory = '256M'\n[matrix]\n"
                  "kernel = ['" +
                  std::string(kKernel) +
                  "']\ncpus = [1, 2]\n[goal]\ntrials = " + std::to_string(trials) + "\n"));
    return file.string();
  }
};

TEST_F(CampaignTest, KilledAndGoneOnWithNothingIsLostOrDoubled) {
  REQUIRE_KERNEL(kKernel);
  REQUIRE_DIRECT_QEMU("who makes the trials is another matter");
  const std::string file = plan(2);
  {
    Running night = start({"campaign", "run", file});
    ASSERT_TRUE(eventually(
        [&] {
          const auto list = run({"report", "--list", "--format", "json"}).json();
          return list.is_object() && !list["runs"].empty() && list["runs"].back()["passed"] == 1;
        },
        std::chrono::seconds(240)))
        << night.err();
    EXPECT_EQ(run({"campaign", "resume", "nightly"}).exit, 129) << "it runs already";
    EXPECT_NE(run({"campaign", "status", file}).out.find("running"), std::string::npos);
    night.signal(SIGKILL);
    night.wait();
  }
  EXPECT_NE(run({"campaign", "status", "nightly"}).out.find("interrupted"), std::string::npos);
  const auto result = run({"campaign", "resume", "nightly", "--format", "json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  const auto json = result.json();
  ASSERT_TRUE(json.is_object()) << result.out;
  EXPECT_EQ(json["campaign"], "nightly");
  ASSERT_EQ(json["cells"].size(), 2u);
  std::size_t trials = 0;
  for (const auto& cell : json["cells"]) {
    EXPECT_EQ(cell["pass"], 2);
    EXPECT_EQ(cell["state"], "clean");
    trials += cell["trials"].get<std::size_t>();
  }
  std::size_t recorded = 0;
  const auto list = run({"report", "--list", "--format", "json"}).json();
  for (const auto& one : list["runs"])
    recorded += one["passed"].get<std::size_t>() + one["inconclusive"].get<std::size_t>();
  EXPECT_EQ(trials, recorded);
  // Once more it is at its end.
  EXPECT_EQ(run({"campaign", "resume", "nightly"}).exit, 129);
  const auto again = run({"campaign", "report", "nightly", "--format", "json"}).json();
  EXPECT_EQ(again["cells"], json["cells"]);

  // A folder gets the page, and the index that leads to it.
  const auto pages = root() / "pages";
  const auto written =
      run({"campaign", "report", "nightly", "--format", "html", "-o", pages.string() + "/"});
  EXPECT_EQ(written.exit, 0) << written.err;
  const std::string page = json["night"].get<std::string>() + ".html";
  EXPECT_TRUE(fs::exists(pages / page)) << written.err;
  EXPECT_NE(read_file(pages / "index.html").value_or("").find("href=\"" + page + "\""), page.npos);
  EXPECT_EQ(run({"campaign", "report", "nightly", "--format", "junit", "-o", pages}).exit, 0);
  EXPECT_TRUE(fs::exists(pages / (json["night"].get<std::string>() + ".junit.xml")));
}

}  // namespace
}  // namespace ktrial::e2e
