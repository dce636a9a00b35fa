// The tables of kallsyms in a kernel that does not tell where they are (before 6.0), found
// by their shape and by what they say of each other (scripts/kallsyms.c, output order):
//
//   to 6.3:   offsets, relative_base, num_syms, names, markers, [seqs_of_names,] token_table,
//             token_index
//   from 6.4: num_syms, names, markers, token_table, token_index, offsets[, relative_base]
//
// each aligned to 8, or since 7.x as its numbers need. A marker is the place of every 256th
// name.
#pragma once

#include <vector>

#include "harness/introspect/image.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

// `known`: symbols whose addresses must come out. An error says what was not found.
Result<std::vector<Symbol>> search_kallsyms(const Image& image, std::span<const Symbol> known);

}  // namespace ktrial::introspect
