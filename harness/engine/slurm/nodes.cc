#include "harness/engine/slurm/nodes.h"

#include <fmt/format.h>

#include <utility>

namespace ktrial::engine::slurm {
namespace {

constexpr int kInARow = 3;
constexpr std::size_t kShare = 2;  // at most one in so many is avoided

}  // namespace

void Nodes::good(const std::string& node) {
  if (node.empty()) return;
  Seen& seen = nodes_[node];
  if (seen.good++ == 0) ++good_;
  if (std::exchange(seen.bad_in_a_row, 0) > 0) suspects_.erase(node);
}

void Nodes::bad(const std::string& node, const std::string& why) {
  if (node.empty()) return;
  Seen& seen = nodes_[node];
  if (++seen.bad_in_a_row >= kInARow && !avoided_.contains(node)) suspects_.insert(node);
  seen.last = why;
}

bool Nodes::suspect(const std::string& node) const {
  const auto found = nodes_.find(node);
  return found != nodes_.end() && found->second.bad_in_a_row >= kInARow;
}

std::vector<std::string> Nodes::take_new() {
  std::vector<std::string> out;
  for (const std::string& node : suspects_) {
    const bool others_are_well = good_ > (nodes_.at(node).good > 0 ? 1 : 0);
    if (!others_are_well || (avoided_.size() + 1) * kShare > nodes_.size()) continue;
    avoided_.insert(node);
    out.push_back(node);
  }
  for (const std::string& node : out) suspects_.erase(node);
  return out;
}

std::string Nodes::why(const std::string& node) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return "";
  return fmt::format("it failed {} jobs in a row, and others did not; the last one: {}",
                     found->second.bad_in_a_row, found->second.last);
}

}  // namespace ktrial::engine::slurm
