// For this folder's tests: goldens in testdata.
#pragma once

#include <gtest/gtest.h>
#include <test_paths.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace ktrial::results {

// Compares with testdata/NAME; KTRIAL_UPDATE_GOLDENS=1 rewrites it instead.
inline void expect_golden(const std::string& got, const std::string& name) {
  const std::string path = KTRIAL_SOURCE_DIR "/results/report/testdata/" + name;
  if (const char* update = std::getenv("KTRIAL_UPDATE_GOLDENS"); update && *update == '1') {
    std::ofstream(path, std::ios::binary) << got;
    return;
  }
  std::ifstream in(path, std::ios::binary);
  std::stringstream want;
  want << in.rdbuf();
  EXPECT_EQ(got, want.str()) << path << ": KTRIAL_UPDATE_GOLDENS=1 rewrites it";
}

}  // namespace ktrial::results
