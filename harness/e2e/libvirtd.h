// A libvirtd of the test's own: sockets, state and cache in a private folder. One that the
// user runs is never talked to.
//
// It runs as an ordinary user of a user namespace, so that it takes itself for a session
// daemon, whoever runs the test. /dev/kvm is hidden from it, if not asked otherwise: where KVM
// opens but does not work, libvirt examines QEMU anew, eight times, before each domain.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "harness/base/file.h"

namespace ktrial::e2e {

class PrivateLibvirtd {
 public:
  // An error says why this host cannot have one.
  enum class Kvm { hidden, seen };
  static Result<PrivateLibvirtd> start(Kvm kvm = Kvm::hidden);
  PrivateLibvirtd(PrivateLibvirtd&& other) noexcept
      : dir_(std::move(other.dir_)), kvm_(other.kvm_), pid_(std::exchange(other.pid_, -1)) {}
  ~PrivateLibvirtd();

  std::string uri() const;
  // The same daemon as if on another host: all goes through a relay as with qemu+ssh.
  std::string remote_uri() const;
  // A program for an sshd's ForceCommand: $SSH_ORIGINAL_COMMAND as if on that host.
  std::filesystem::path login() const { return dir_.path() / "login"; }
  void signal(int number);
  // SIGKILL, and reap: its domains are left to themselves.
  void kill();
  // After kill(): once more, in the same folder and at the same socket.
  Status start_again() { return launch(kvm_); }
  bool killed() const { return pid_ <= 0; }
  // The QEMUs of its domains that are alive.
  std::vector<pid_t> machines() const;
  // libvirt's log of the only domain that there was.
  std::filesystem::path domain_log() const;
  // What it left where domains have their files; empty if all is tidy.
  std::vector<std::string> domain_files() const;

 private:
  PrivateLibvirtd(TempDir dir, Kvm kvm) : dir_(std::move(dir)), kvm_(kvm) {}
  Status launch(Kvm kvm);
  std::filesystem::path socket() const { return dir_.path() / "r/libvirt/libvirt-sock"; }

  TempDir dir_;
  Kvm kvm_;
  pid_t pid_ = -1;
};

}  // namespace ktrial::e2e
