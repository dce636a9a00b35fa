// What the host tells the program that gives a command its root: an argument each, then "--" and
// the command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ktrial::userland {

struct Options {
  std::string tag;        // --virtiofs=TAG: the lower file system, read-only
  std::string device;     // --block=DEVICE: the same from a disk
  std::string type;       // --type=FSTYPE of that disk
  std::string tree;       // --tree=PATH in the initramfs: the root itself
  bool writable = false;  // --writable: the disk may be written, no overlay is needed
  bool host = false;     // --host: the tree is the host's; /etc and /usr may have to stay read-only
  std::string cwd;       // --cwd=PATH: must be there
  std::string try_cwd;   // --try-cwd=PATH: else /
  std::string input;     // --input=PATH in the initramfs: standard input
  std::string output;    // --output=PATH in the initramfs: seen at /run/output
  std::string terminal;  // --terminal=PORT: of a virtio-serial port's bytes
  std::string control;   // --control=PORT: that tells its size, and the command's status
  std::vector<std::string> command;

  bool has_root() const { return !tag.empty() || !device.empty() || !tree.empty(); }
};

// `problem` names the argument that is wrong; empty: none.
Options parse(const std::vector<std::string>& arguments, std::string& problem);

}  // namespace ktrial::userland
