// A libvirtd that only ssh leads to, as on another host.
#include <signal.h>

#include "harness/e2e/e2e.h"
#include "harness/e2e/sshd.h"

namespace ktrial::e2e {
namespace {

class RemoteSshTest : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    if (auto found = PrivateSshd::is_installed(); !found)
      GTEST_SKIP() << "no sshd to test with: " << found.error().message;
    if (!on_libvirt()) use_libvirt();
    if (IsSkipped() || HasFatalFailure()) return;
    auto started = PrivateSshd::start(daemon().login());
    if (!started) GTEST_SKIP() << "no sshd to test with: " << started.error().message;
    sshd_.emplace(std::move(*started));
  }
  void TearDown() override {
    EXPECT_TRUE(eventually([&] { return !sshd_ || sshd_->clients().empty(); })) << "ssh is left";
    sshd_.reset();
    E2eTest::TearDown();
  }
  std::vector<std::string> over_ssh(const std::string& uri, std::vector<std::string> more) const {
    std::vector<std::string> out = {"run", "--vmm", "libvirt", "--connect", uri};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  Running start_long_run() {
    Running running = start(over_ssh(sshd_->uri(), {"--workload", "fork-storm", "--duration", "10m",
                                                    "--timeout", "12m", "--format", "json"}));
    EXPECT_TRUE(eventually([&] {
      return running.err().find("running fork-storm") != std::string::npos;
    })) << running.err();
    return running;
  }
  void expect_refusal(const std::string& uri, const char* message, const char* hint) {
    const auto result = run(over_ssh(uri, {"--workload", "smoke"}));
    EXPECT_EQ(result.exit, 128) << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(hint), std::string::npos) << result.err;
  }
  std::optional<PrivateSshd> sshd_;
};

TEST_F(RemoteSshTest, ATrialNeedsNothingOfOursThere) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run(over_ssh(sshd_->uri(), {"--workload", "smoke", "--format", "json"}));
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(trial(result).value("channel", ""), "virtio-serial");
  EXPECT_NE(fact(trial(result), "host.vcpu0"), "") << "what its vCPUs were given there";
  EXPECT_EQ(fact(trial(result), "host.not_told"), "");
  const auto log = read_file(daemon().domain_log());
  ASSERT_TRUE(log);
  EXPECT_NE(log->find("-kernel /var/tmp/ktrial-"), std::string::npos) << *log;
  EXPECT_TRUE(eventually([&] { return sshd_->sessions().empty(); }));
}

TEST_F(RemoteSshTest, ALostSshIsInconclusiveAndTheMachineThereIsEnded) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run();
  EXPECT_EQ(daemon().machines().size(), 1u);
  sshd_->kill();
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_NE(result.json().value("reason", "").find("libvirtd was lost"), std::string::npos)
      << result.out;
}

TEST_F(RemoteSshTest, KillNineLeavesNothingHereOrThere) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run();
  EXPECT_EQ(daemon().machines().size(), 1u);
  running.signal(SIGKILL);
  EXPECT_EQ(running.wait().exit, 128 + SIGKILL);
  EXPECT_TRUE(eventually([&] { return sshd_->sessions().empty(); }));
}

TEST_F(RemoteSshTest, WhoDoesNotGetInIsToldWhatMustWork) {
  expect_refusal(sshd_->uri("other"), "Permission denied", "this must work: ");
  expect_refusal(sshd_->uri("locked"), "Permission denied", "key without passphrase");
  ASSERT_TRUE(sshd_->change_host_key());
  expect_refusal(sshd_->uri(), "Host key verification failed", "ssh-keygen -R [127.0.0.1]:");
  ASSERT_TRUE(sshd_->forget_host_key());
  expect_refusal(sshd_->uri(), "Host key verification failed", "log in by hand once");
  const std::string uri = sshd_->uri();
  sshd_->kill();
  expect_refusal(uri, "Connection refused", "is sshd running there");
}

// There is a terminal to ask on: script(1) makes one.
TEST_F(RemoteSshTest, PasswordPassphraseAndHostKeyAreNotAskedForOnTheTerminal) {
  program_ = "/usr/bin/script";
  const auto expect_refusal_at_once = [&](const char* key, const char* message) {
    const std::string command = std::string(KTRIAL_PROGRAM) +
                                " run --workload smoke --vmm libvirt --connect '" +
                                sshd_->uri(key) + "'";
    const auto result = start({"-qec", command, root() / "typescript"}).wait();
    EXPECT_EQ(result.exit, 128) << result.out;
    EXPECT_NE(result.out.find(message), std::string::npos) << result.out;
  };
  expect_refusal_at_once("other", "Permission denied");
  expect_refusal_at_once("locked", "Permission denied");
  ASSERT_TRUE(sshd_->forget_host_key());
  expect_refusal_at_once("key", "Host key verification failed");
}

// A terminal sends it to the whole process group. What was half sent there is removed.
TEST_F(RemoteSshTest, CtrlCWhileFilesAreSentLeavesNothingThere) {
  REQUIRE_KERNEL(kKernel);
  program_ = "/usr/bin/setsid";
  std::vector<std::string> arguments = over_ssh(sshd_->uri(), {"--workload", "smoke"});
  arguments.insert(arguments.begin(), KTRIAL_PROGRAM);
  Running running = start(arguments);
  EXPECT_TRUE(eventually([&] { return running.err().find("booting") != std::string::npos; }))
      << running.err();
  ::kill(-running.pid(), SIGINT);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 130) << result.err;
  EXPECT_NE(result.err.find("interrupted"), std::string::npos) << result.err;
}

TEST_F(RemoteSshTest, AnInterruptEndsTheWaitForAHostThatDoesNotAnswer) {
  sshd_->signal(SIGSTOP);
  Running running = start(over_ssh(sshd_->uri(), {"--workload", "smoke"}));
  EXPECT_TRUE(eventually([&] { return !sshd_->clients().empty(); })) << running.err();
  running.signal(SIGINT);
  const auto result = running.wait(std::chrono::seconds(30));
  sshd_->signal(SIGCONT);
  EXPECT_EQ(result.exit, 130) << result.err;
  EXPECT_NE(result.err.find("interrupted"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace ktrial::e2e
