// The numbers that a workload tells with its progress: "grace periods; refused=3 longest_us=120".
// Each is told anew with every line; the last one stays.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ktrial::trial {

class Measures {
 public:
  static constexpr std::size_t kMost = 64;     // of different names: a hostile guest knows no end
  static constexpr std::size_t kLongest = 80;  // bytes of a name

  // Takes what it can read out of the text, which keeps what was before it.
  void take(std::string& text);
  // By name, with "WORKLOAD." before those that do not say whose they are.
  std::map<std::string, std::uint64_t> of(std::string_view workload) const;

 private:
  void add(std::string_view word);

  std::map<std::string, std::uint64_t, std::less<>> values_;
};

}  // namespace ktrial::trial
