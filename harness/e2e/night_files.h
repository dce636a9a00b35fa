// What nights left in a store, read without the program.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::e2e {

// What the journals of all nights say.
struct Journal {
  int submitted = 0, lost = 0;
  std::vector<std::string> runs;  // that were handed back, as often as they were

  static Journal read(const std::filesystem::path& store) {
    Journal out;
    std::error_code error;
    for (const auto& night : std::filesystem::directory_iterator(store / "campaigns", error)) {
      const std::string text = read_file(night.path() / "journal.jsonl", 1u << 30).value_or("");
      std::string_view rest = text;
      while (const auto line = take_line(rest)) {
        const auto event = nlohmann::json::parse(*line, nullptr, false);
        if (!event.is_object()) continue;
        out.submitted += event["event"] == "submitted";
        if (event["event"] != "done") continue;
        if (event["run"] != "") out.runs.push_back(event["run"]);
        out.lost += event["problem"] != "";
      }
    }
    return out;
  }
};

// What lies there.
struct Records {
  int trials = 0, pass = 0, fail = 0, cut_off = 0;
  std::set<std::string> runs;     // of trials that count
  std::set<std::string> reasons;  // of those that judged nothing

  static Records read(const std::filesystem::path& store) {
    Records out;
    std::error_code error;
    for (const auto& run : std::filesystem::directory_iterator(store / "runs", error))
      for (const auto& trial : std::filesystem::directory_iterator(run.path() / "trials", error)) {
        const auto verdict = nlohmann::json::parse(
            read_file(trial.path() / "verdict.json").value_or(""), nullptr, false);
        if (!verdict.is_object()) continue;
        if (verdict["kind"] == "interrupted") {
          ++out.cut_off;
          continue;
        }
        ++out.trials;
        out.pass += verdict["outcome"] == "pass";
        out.fail += verdict["outcome"] == "fail";
        if (verdict["outcome"] == "inconclusive") out.reasons.insert(verdict["reason"]);
        out.runs.insert(run.path().filename());
      }
    return out;
  }
};

}  // namespace ktrial::e2e
