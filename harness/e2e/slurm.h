// A Slurm of the test's own: munged, slurmctld and a slurmd as one node, with folders and ports of
// their own, on the loopback. One that the user has is never talked to.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "harness/base/file.h"

namespace ktrial::e2e {

struct SlurmWish {
  int cpus = 2;
  // With a slurmdbd, and a MariaDB of its own below it; squeue then forgets after seconds. A second
  // partition, "urgent", takes what runs in the first one off its CPUs.
  bool accounts = false;
};

class PrivateSlurm {
 public:
  // An error says why this host cannot have one.
  static Result<PrivateSlurm> start(const SlurmWish& wish = {});
  PrivateSlurm(PrivateSlurm&& other) noexcept;
  ~PrivateSlurm();

  // For SLURM_CONF.
  std::string conf() const { return dir_.path() / "slurm.conf"; }
  static constexpr char kNode[] = "desk";

  // One of Slurm's programs: what it says, trimmed; an error when it fails.
  Result<std::string> ask(std::vector<std::string> words) const;
  // Tasks "17_0" in a state, RUNNING, PENDING, ...
  std::vector<std::string> tasks(const std::string& state) const;
  // From now on the node sees nothing of `folder`, which lies behind the path `door` there:
  // /a is /door/a. Wants a mount namespace.
  Status hide_from_node(const std::string& folder, const std::string& door);
  void kill_controller();
  Status start_controller();

 private:
  explicit PrivateSlurm(TempDir dir) : dir_(std::move(dir)) {}
  Status launch(const SlurmWish& wish);
  Status launch_accounts(int port);
  // `by`: a program that becomes the daemon.
  Status start_daemon(const std::string& name, std::vector<std::string> words,
                      const std::string& by = "");
  void end_daemon(const std::string& name, int signal);
  Status until_node_is(const std::string& state) const;
  Status until_it_answers(const std::vector<std::string>& words) const;
  std::string logs() const;

  TempDir dir_;
  std::map<std::string, pid_t> daemons_;
};

}  // namespace ktrial::e2e
