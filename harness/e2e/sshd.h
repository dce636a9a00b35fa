// An sshd of the test's own, on a port of 127.0.0.1, with keys and settings in a private folder: it
// leads to a PrivateLibvirtd. Neither the user's ~/.ssh nor an ssh-agent is looked at.
//
// As root it gets a /run of its own (a mount namespace): sshd insists on /run/sshd.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "harness/base/file.h"

namespace ktrial::e2e {

class PrivateSshd {
 public:
  // Whoever logs in as the user who runs the test, with the key "key" or "locked" (which has a
  // passphrase), gets what `login` makes of $SSH_ORIGINAL_COMMAND. An error says why this host
  // cannot have one, as is_installed() does at once.
  static Status is_installed();
  static Result<PrivateSshd> start(const std::filesystem::path& login);
  PrivateSshd(PrivateSshd&& other) noexcept
      : dir_(std::move(other.dir_)),
        pid_(std::exchange(other.pid_, -1)),
        port_(other.port_),
        user_(std::move(other.user_)) {}
  ~PrivateSshd();

  // With a key: "key", "locked", or "other", which does not get in.
  std::string uri(const std::string& key = "key") const;
  // From here on its host key is not among those that the client knows, or is another there.
  Status forget_host_key();
  Status change_host_key();
  void signal(int number) const;
  // Ends it, and those whom it serves.
  void kill();
  // Who is served now: sshd's children.
  std::vector<pid_t> sessions() const;
  // The ssh programs that run for its URIs. (libvirt takes the environment from them.)
  std::vector<pid_t> clients() const;

 private:
  explicit PrivateSshd(TempDir dir) : dir_(std::move(dir)) {}
  Status write_files(const std::filesystem::path& login);
  // False: the port was taken.
  Result<bool> listen();
  std::filesystem::path at(const char* name) const { return dir_.path() / name; }

  TempDir dir_;
  pid_t pid_ = -1;
  int port_ = 0;
  std::string user_;
};

}  // namespace ktrial::e2e
