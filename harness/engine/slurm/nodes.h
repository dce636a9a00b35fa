// Which nodes fail every job. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace ktrial::engine::slurm {

class Nodes {
 public:
  // A job came to its end there.
  void good(const std::string& node);
  // It did not, and the node may be why.
  void bad(const std::string& node, const std::string& why);
  // It failed so often in a row that what fails there next tells nothing about the job.
  bool suspect(const std::string& node) const;
  // Those that are to be avoided from now on: each is named once, with a reason. Where nothing
  // works no node is to blame.
  std::vector<std::string> take_new();
  std::string why(const std::string& node) const;
  const std::set<std::string>& avoided() const { return avoided_; }

 private:
  struct Seen {
    int good = 0, bad_in_a_row = 0;
    std::string last;
  };
  std::map<std::string, Seen> nodes_;
  std::set<std::string> suspects_, avoided_;  // the former are not avoided yet
  int good_ = 0;                              // nodes that are well
};

}  // namespace ktrial::engine::slurm
