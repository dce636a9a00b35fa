// What befalls hosts with libvirt, once and again: as many records as jobs, none doubled, each loss
// named, no machine left. KTRIAL_DRILL_ROUNDS: how often each (10).
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "harness/e2e/hosts_fixture.h"
#include "harness/e2e/night_files.h"

namespace ktrial::e2e {
namespace {
class HostsDrill : public HostsFixture {
 protected:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::seconds;
  // Of the pool's: asked every 30 s, given up after 20 s (spec::HostWait::host_answer); a job whose
  // beats stop is over before.
  static constexpr Seconds kNoticed{100}, kBack{60}, kWorks{300};
  static constexpr int kAtATime = 2;
  static constexpr std::size_t kVictim = 0;  // the one that is chosen where both are free

  // What a round came to, beside what is checked.
  struct Round {
    double noticed_s = 0, back_s = 0;
    int sessions = 1, number = 0;
  };
  std::filesystem::path store() const { return root() / "state/ktrial"; }
  std::vector<std::string> words(const std::string& command, const std::string& what) const {
    return {"campaign", command,  what,
            "--engine", "hosts",  "--fleet",
            fleet(),    "--jobs", std::to_string(kAtATime)};
  }
  std::string plan(int trials) {
    const std::string file = root() / "small.toml";
    EXPECT_TRUE(write_file_atomically(
        file,
        "name = 'small'\nbudget = '30m'\ncommand = ['sleep', '15']\nmemory = '256M'\n"
        "start = 'cold'\n[matrix]\nkernel = ['" +
            std::string(kKernel) + "']\ncpus = [1]\n[goal]\ntrials = " + std::to_string(trials) +
            "\n"));
    return file;
  }
  bool wait_for(const Running& night, const std::string& text, int times, Seconds patience) {
    return eventually([&] { return count(night.err(), text) >= times || over(night); }, patience) &&
           count(night.err(), text) >= times;
  }
  static bool over(const Running& night) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(night.pid()), &info, WEXITED | WNOHANG | WNOWAIT) ==
               0 &&
           info.si_pid != 0;
  }
  static double since(Clock::time_point begun) {
    return std::chrono::duration<double>(Clock::now() - begun).count();
  }
  std::string gone() const { return uri(kVictim) + " does not answer: "; }
  std::string again() const { return uri(kVictim) + " answers again"; }

  // Some rounds of a small night, in which `trouble` comes when both hosts have a machine that
  // runs, or, with `begin`, before any.
  void drill(const char* name, int trials, const std::function<void(Running&, Round&)>& trouble,
             const std::function<void()>& begin = nullptr) {
    int well = 0;
    double noticed = 0, back = 0;
    for (int round = 0; round < rounds() && !HasFailure(); ++round) {
      std::error_code none;
      std::filesystem::remove_all(store(), none);
      Round came{.number = round};
      const auto begun = Clock::now();
      if (begin) begin();
      Running night = start(words("run", plan(trials)));
      if (!begin) {
        ASSERT_TRUE(eventually(
            [&] { return !host(0).machines().empty() && !host(1).machines().empty(); }, kWorks))
            << night.err();
        ::usleep(static_cast<useconds_t>(round) * 700'000);  // chance, not a wait for anything
      }
      trouble(night, came);
      auto result = night.wait(Seconds(900));
      std::string err = result.err;
      while (result.exit != 0 && came.sessions < 3) {
        ++came.sessions;
        result = run(words("resume", "small"));
        err += result.err;
      }
      EXPECT_EQ(result.exit, 0) << err;
      check(trials, came, err);
      noticed = std::max(noticed, came.noticed_s);
      back = std::max(back, came.back_s);
      well += HasFailure() ? 0 : 1;
      std::printf("  %s %d: %.0f s, noticed after %.1f s, back after %.1f s\n", name, round,
                  since(begun), came.noticed_s, came.back_s);
      std::fflush(stdout);
    }
    std::printf("drill %s: %d of %d; noticed after %.1f s at most, back after %.1f s at most\n",
                name, well, rounds(), noticed, back);
    std::fflush(stdout);
  }

  void check(int trials, const Round& came, const std::string& err) {
    const auto report = run({"campaign", "report", "small", "--format", "json"}).json();
    int told = 0;
    for (const auto& cell : report["cells"]) {
      EXPECT_EQ(cell["pass"], trials) << err;
      EXPECT_EQ(cell["fail"], 0) << "a host's trouble is not the kernel's fault\n" << err;
      told += cell["trials"].get<int>();
    }
    const Journal journal = Journal::read(store());
    const Records records = Records::read(store());
    const std::set<std::string> handed_back(journal.runs.begin(), journal.runs.end());
    EXPECT_EQ(told, records.trials) << "lost or doubled\n" << err;
    EXPECT_EQ(static_cast<int>(records.runs.size()), records.trials) << "one trial each";
    EXPECT_EQ(handed_back.size(), journal.runs.size()) << "one was handed back twice";
    // What was begun has a record, was lost by name, or ran when ktrial was killed.
    const int killed = kAtATime * (came.sessions - 1);
    EXPECT_GE(records.trials, journal.submitted - journal.lost - killed) << err;
    EXPECT_LE(records.trials, journal.submitted) << err;
    std::printf(
        "    %d submitted, %d recorded (%d pass), %d lost by name; %d went once more; "
        "%d gone on with; %zu others:",
        journal.submitted, records.trials, records.pass, journal.lost,
        count(err, "it goes once more"), came.sessions - 1, records.reasons.size());
    for (const std::string& reason : records.reasons) std::printf(" [%s]", reason.c_str());
    std::printf("\n");
    EXPECT_TRUE(eventually([&] { return processes().empty(); })) << err;
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(eventually([&] { return host(i).machines().empty(); })) << "QEMU was left\n"
                                                                          << err;
      EXPECT_TRUE(eventually([&] { return host(i).domain_files().empty(); }))
          << host(i).domain_files().front();
    }
  }

  // It is told that the victim is gone; `mend` brings it back; that is told, too, and it works
  // again.
  void see_it_go_and_come(Running& night, Round& came, const std::function<void()>& mend) {
    const auto gone_at = Clock::now();
    EXPECT_TRUE(wait_for(night, gone(), 1, kNoticed)) << night.err();
    came.noticed_s = since(gone_at);
    mend();
    const auto back_at = Clock::now();
    EXPECT_TRUE(wait_for(night, again(), 1, kBack)) << night.err();
    came.back_s = since(back_at);
    EXPECT_TRUE(
        eventually([&] { return !host(kVictim).machines().empty() || over(night); }, kWorks));
    EXPECT_FALSE(over(night)) << "it took no job again\n" << night.err();
  }
};

#define REQUIRE_HOSTS(where)                                    \
  if (const std::string why = begin_hosts(where); !why.empty()) \
    GTEST_SKIP() << "no hosts to test with: " << why;           \
  REQUIRE_KERNEL(kKernel)

TEST_F(HostsDrill, OneIsKilledAndComesBack) {
  REQUIRE_HOSTS(Where::here);
  drill("killed", 3, [&](Running& night, Round& came) {
    host(kVictim).kill();
    see_it_go_and_come(night, came, [&] { EXPECT_TRUE(host(kVictim).start_again()); });
  });
}

TEST_F(HostsDrill, OneFarAwayIsKilledAndComesBack) {
  REQUIRE_HOSTS(Where::far);
  drill("killed far away", 3, [&](Running& night, Round& came) {
    host(kVictim).kill();
    see_it_go_and_come(night, came, [&] { EXPECT_TRUE(host(kVictim).start_again()); });
  });
}

TEST_F(HostsDrill, OneIsStoppedAndGoesOn) {
  REQUIRE_HOSTS(Where::here);
  drill("stopped", 6, [&](Running& night, Round& came) {
    host(kVictim).signal(SIGSTOP);
    see_it_go_and_come(night, came, [&] { host(kVictim).signal(SIGCONT); });
  });
}

// So shortly that nobody need notice: 4 s to 13 s.
TEST_F(HostsDrill, OneIsStoppedForAMoment) {
  REQUIRE_HOSTS(Where::here);
  drill("stopped for a moment", 2, [&](Running&, Round& came) {
    host(kVictim).signal(SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(4000 + 1000 * came.number));
    host(kVictim).signal(SIGCONT);
  });
}

TEST_F(HostsDrill, OneIsStoppedBeforeItIsAsked) {
  REQUIRE_HOSTS(Where::here);
  drill(
      "stopped at first", 3,
      [&](Running& night, Round& came) {
        see_it_go_and_come(night, came, [&] { host(kVictim).signal(SIGCONT); });
      },
      [&] { host(kVictim).signal(SIGSTOP); });
}

TEST_F(HostsDrill, KtrialIsKilled) {
  REQUIRE_HOSTS(Where::here);
  drill("ktrial kill -9", 3, [&](Running& night, Round&) { night.signal(SIGKILL); });
}

TEST_F(HostsDrill, KtrialIsKilledAndTheHostsAreFarAway) {
  REQUIRE_HOSTS(Where::far);
  drill("ktrial kill -9, hosts far away", 3,
        [&](Running& night, Round&) { night.signal(SIGKILL); });
}

}  // namespace
}  // namespace ktrial::e2e
