// The workloads that check the kernel's own paths, in real guests: clean as they
// are, and failing, for the right reason, with a violation planted.
#include <fstream>
#include <iterator>

#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {

class SeedsTest : public E2eTest {
 protected:
  // What the workload of the only trial said.
  std::string said() const {
    std::ifstream in(run_folder() / "trials" / "000" / "output" / "console.log");
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Outcome run_int3_poke(const std::string& plant) {
    return run({"run", "--cpus", "2", "--start", "warm", "--workload", "int3-poke", "--duration",
                "3s", "--format", "json", "--append", "ktrial.tcg=single", "--set",
                "plant=" + plant});
  }
};

TEST_F(SeedsTest, NmiBacktraceIsCleanOnAHealthyKernel) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--start", "warm", "--workload", "nmi-backtrace", "--duration",
                           "5s", "--format", "json", "--set", "askers=2"});
  EXPECT_EQ(result.exit, 0) << result.err << said();
  EXPECT_NE(said().find("requests served"), std::string::npos) << said();
}

TEST_F(SeedsTest, NmiBacktraceMissesAnAnswerThatIsNotThere) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--start", "warm", "--workload", "nmi-backtrace", "--format",
                           "json", "--set", "answer_s=1", "--set", "plant=drop_answer"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_NE(said().find("did not answer the NMI"), std::string::npos) << said();
}

// Of int3-poke under TCG.
constexpr char kOneThread[] = "it knows no word for one thread for all vCPUs";

TEST_F(SeedsTest, Int3PokeIsCleanOnAHealthyKernel) {
  REQUIRE_DIRECT_QEMU(kOneThread);
  REQUIRE_KERNEL(kKernel);
  const auto result = run_int3_poke("none");
  EXPECT_EQ(result.exit, 0) << result.err << said();
  EXPECT_NE(said().find("nothing is left"), std::string::npos) << said();
}

TEST_F(SeedsTest, Int3PokeFindsACallThatWasNotCounted) {
  REQUIRE_DIRECT_QEMU(kOneThread);
  REQUIRE_KERNEL(kKernel);
  const auto result = run_int3_poke("miscount");
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_NE(said().find("calls were lost"), std::string::npos) << said();
}

TEST_F(SeedsTest, Int3PokeFindsAProbeThatIsLeft) {
  REQUIRE_DIRECT_QEMU(kOneThread);
  REQUIRE_KERNEL(kKernel);
  const auto result = run_int3_poke("leave_probe");
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_NE(said().find("kprobe_events holds"), std::string::npos) << said();
}

}  // namespace
}  // namespace ktrial::e2e
