// Two libvirtds of the test's own as two hosts of one pool.
#include <signal.h>

#include <set>

#include "harness/e2e/hosts_fixture.h"
#include "harness/e2e/sshd.h"

namespace ktrial::e2e {
namespace {

class HostsTest : public HostsFixture {
 protected:
  Running start_trials(int trials, const std::string& seconds) {
    return start({"run", "--engine", "hosts", "--fleet", fleet(), "--repeat",
                  std::to_string(trials), "--jobs", "2", "--cpus", "1", "--memory", "256M",
                  "--format", "json", "--", "sleep", seconds});
  }
  static std::vector<std::string> hosts_of(const nlohmann::json& json) {
    std::vector<std::string> out;
    for (const auto& run : json["runs"]) {
      const auto file = std::filesystem::path(run["directory"].get<std::string>()) / "run.json";
      const auto record = nlohmann::json::parse(read_file(file).value_or(""), nullptr, false);
      if (record.is_object()) out.push_back(fact(record, "libvirt.uri"));
    }
    return out;
  }
};

TEST_F(HostsTest, TwoAreOnePoolAndWhatDiesLosesItsOwnOnly) {
  if (const std::string why = begin_hosts(); !why.empty())
    GTEST_SKIP() << "no hosts to test with: " << why;
  REQUIRE_KERNEL(kKernel);
  Running running = start_trials(4, "4");
  ASSERT_TRUE(eventually([&] { return !host(0).machines().empty() && !host(1).machines().empty(); },
                         std::chrono::seconds(240)))
      << running.err();
  ASSERT_TRUE(eventually([&] { return count(running.err(), "running sleep") >= 2; },
                         std::chrono::seconds(240)))
      << running.err();
  host(1).kill();
  const auto result = running.wait();
  const auto json = result.json();
  ASSERT_TRUE(json.is_object()) << result.err;
  ASSERT_EQ(json["trials"].size(), 4u) << result.err;
  int pass = 0, inconclusive = 0;
  for (const auto& trial : json["trials"]) {
    pass += trial["outcome"] == "pass";
    inconclusive += trial["outcome"] == "inconclusive";
  }
  EXPECT_GE(pass, 3) << result.err;
  EXPECT_EQ(pass + inconclusive, 4) << "a host's death is not the kernel's fault";
  EXPECT_NE(result.err.find(uri(1) + " does not answer: "), std::string::npos) << result.err;
  const auto hosts = hosts_of(json);
  EXPECT_EQ(std::set<std::string>(hosts.begin(), hosts.end()).size(), 2u);
}

TEST_F(HostsTest, OneOfThemIsReachedBySsh) {
  if (const std::string why = begin_hosts(); !why.empty())
    GTEST_SKIP() << "no hosts to test with: " << why;
  const auto sshd = PrivateSshd::start(host(1).login());
  if (!sshd) GTEST_SKIP() << "no sshd to test with: " << sshd.error().message;
  REQUIRE_KERNEL(kKernel);
  ASSERT_TRUE(write_file_atomically(fleet(),
                                    "[hosts]\nuris = ['" + uri(0) + "', '" + sshd->uri() + "']\n"));
  const auto result = start_trials(2, "4").wait();
  EXPECT_EQ(result.exit, 0) << result.err;
  int by_ssh = 0;
  for (const std::string& host : hosts_of(result.json())) by_ssh += host.starts_with("qemu+ssh:");
  EXPECT_EQ(by_ssh, 1) << result.err;
  EXPECT_TRUE(eventually([&] { return sshd->sessions().empty() && sshd->clients().empty(); }));
  EXPECT_TRUE(eventually([&] { return host(1).domain_files().empty(); }))
      << host(1).domain_files().front();
}

TEST_F(HostsTest, NobodyNamedAndNobodyThereAreErrors) {
  ASSERT_TRUE(write_file_atomically(root() / "none.toml", ""));
  const auto none = run({"run", "--engine", "hosts", "--fleet", (root() / "none.toml").string()});
  EXPECT_EQ(none.exit, 129) << none.err;
  EXPECT_NE(none.err.find("[hosts] uris"), std::string::npos) << none.err;
  ASSERT_TRUE(write_file_atomically(
      root() / "f.toml", "[hosts]\nuris = ['qemu:///session?socket=/nonexistent/socket']\n"));
  const auto dead = run({"run", "--engine", "hosts", "--fleet", (root() / "f.toml").string()});
  EXPECT_EQ(dead.exit, 128) << dead.err;
  EXPECT_NE(dead.err.find("no host answers:\n  qemu:///session?socket=/nonexistent/socket: "),
            std::string::npos)
      << dead.err;
}

}  // namespace
}  // namespace ktrial::e2e
