// Which numbers of workloads moved against the nights before. Pure.
//
// A number moved when tonight's trials rank above those of each night that it is compared with, or
// below those of each: the largest of the nights' p-values counts, so that nights which differ
// among themselves speak against it (an intersection-union test: Berger, 1982). Rank sums,
// two-sided, Holm over all numbers of the night, at kAlarm.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>

#include "harness/campaign/standing.h"

namespace ktrial::campaign {

inline constexpr std::size_t kKeptOfNumber = 20;  // trials of a cell, that a night keeps it of

struct Moves {
  // By cell and number: "higher than in each of 3 nights before (median 40; rank sums, p=0.002)".
  std::map<std::pair<std::string, std::string>, std::string> moved;
  std::size_t compared = 0;
};
// `nights`: to compare with, oldest first. Those with few trials of a number are passed over.
Moves moves(const Seen& tonight, std::span<const Seen> nights);

}  // namespace ktrial::campaign
