// Pieces of the text report.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"

namespace ktrial::results {

// One line of untrusted text made safe for a terminal.
std::string printable(std::string_view text);
// argv as a POSIX shell reads it back.
std::string shell_quoted(const std::vector<std::string>& argv);

// Trials of the run that ended so.
std::size_t count(const RunRecord& run, Outcome outcome);

enum class Ink { bold, dim, good, bad, unsure };
std::string inked(std::string_view text, Ink ink, bool color);
Ink ink_of(Outcome outcome);
// Padded with blanks to `width` columns (of ASCII or one-column characters).
std::string padded(std::string text, std::size_t width);
// "  key        value\n", nothing for an empty value.
void add_field(std::string& out, std::string_view key, const std::string& value, bool color);
// At most `limit` bytes, cut at a character, "..." where cut.
std::string cut(std::string text, std::size_t limit);

// Untrusted text made safe as printable() does, and bounded before anything else: a line of
// 10 MB costs no more than one of `limit` bytes.
std::string one_line(std::string_view text, std::size_t limit = 300);
// The first `most` lines, each one_line() of at most `columns` bytes, without trailing blanks. Of
// more, the last says so.
std::vector<std::string> safe_lines(std::string_view text, std::size_t most = 200,
                                    std::size_t columns = 400);
// "0.250": for documents, whatever the locale; 0 for what is no number.
std::string fixed(double value, int digits);
// "1 trial", "2 trials".
std::string counted(std::size_t n, std::string_view what);
// "3 %", "0.12 %", "100 %": of a probability.
std::string percent(double part);
std::string fact(const Facts& facts, std::string_view key);  // its value; empty: there is none

// "lines 4-9, CPU 1, task a/7".
std::string where(const Finding& finding);

}  // namespace ktrial::results
