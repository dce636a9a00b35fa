// For tests: a document against its schema in docs/schema.
#pragma once

#include <gtest/gtest.h>
#include <test_paths.h>

#include <string>

#include "harness/base/command.h"
#include "harness/base/file.h"

namespace ktrial::results {

// Every key must be one that docs/schema/NAME.json names. Without python3-jsonschema nothing can
// be said: the test is then skipped.
inline void expect_schema(const std::string& document, const std::string& name) {
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const std::string file = (dir->path() / "document.json").string();
  ASSERT_TRUE(write_file_atomically(file, document));
  const std::string source = KTRIAL_SOURCE_DIR;
  const auto checked = run_command({"python3", source + "/harness/dev/check_schema.py",
                                    source + "/docs/schema/" + name + ".json", file});
  ASSERT_TRUE(checked) << checked.error().message;
  if (checked->exit_status == 77) GTEST_SKIP() << checked->out;
  EXPECT_TRUE(checked->ok()) << name << ":\n" << checked->out << checked->err << document;
}

}  // namespace ktrial::results
