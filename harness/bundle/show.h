// `ktrial replay --show`: words of a held machine's memory.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "harness/bundle/when.h"
#include "harness/introspect/address_space.h"

namespace ktrial::bundle {

// Of a word, as resolve() has it: pointers are followed.
Result<std::uint64_t> read_word(const introspect::AddressSpace& memory,
                                const vm::Exact::Term& word);

// Each with its value, or why there is none, for people. ErrorKind::usage: it is no word at all.
Result<std::string> text_of_words(const std::vector<std::string>& words, const Map& map,
                                  unsigned cpus, const introspect::AddressSpace& memory);

// The memory of a machine that is held.
Result<std::string> show(const std::vector<std::string>& words, const Map& map, unsigned cpus,
                         vm::Vm& vm, std::chrono::milliseconds patience);

}  // namespace ktrial::bundle
