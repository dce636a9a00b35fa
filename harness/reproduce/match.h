// Whether a failure that was seen is the one that was reported. Pure.
//
// The same kind of trouble, at the same place: kinds have families, because one stall is a soft
// lockup here and an RCU stall there, and a bad pointer an oops without KASAN; functions are
// compared as results::make_signature() names them, without what compilers and versions add.
#pragma once

#include <string>
#include <vector>

#include "harness/mail/understand.h"
#include "results/record.h"

namespace ktrial::reproduce {

enum class Same {
  yes,     // kind and place agree
  likely,  // the kind agrees, and the report names no place that could be compared
  no,      // another failure
};

struct Match {
  Same same = Same::no;
  std::string why;  // "kind: soft_lockup for rcu_stall, both stalls; culprit mm_get_cid in both"
};

// What a report says of its failure, ready to be compared.
struct Expected {
  std::vector<mail::Failure> failures;  // the reported one first; others of the same log follow
  results::Kind kind = results::Kind::none;  // in words only, where there is no log
  bool known() const { return !failures.empty() || kind != results::Kind::none; }
};
Expected expected_of(const mail::Understanding& report);

// `trial` failed.
Match match(const Expected& expected, const results::TrialRecord& trial);

// "oops and kasan are both bad memory accesses"; "": not of one family.
std::string family_of(results::Kind kind);

}  // namespace ktrial::reproduce
