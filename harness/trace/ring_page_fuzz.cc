// Pages of any content: records lie in the page, in order, and end.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "harness/trace/ring_page.h"

namespace {
void check(bool ok) {
  if (!ok) std::abort();
}
}  // namespace

// The first two bytes: how much was written. The rest is the page.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrial::trace;
  if (size < 2) return 0;
  const std::uint32_t written = data[0] | data[1] << 8;
  std::vector<std::byte> page(size - 2);
  if (!page.empty()) std::memcpy(page.data(), data + 2, page.size());
  const auto out = parse_page(page, written);
  if (!out) return 0;
  check(out->committed <= page.size() - kPageHeader);
  check(out->parsed <= page.size() - kPageHeader);
  const std::byte* end = page.data() + kPageHeader;
  for (const PageRecord& record : out->records) {
    check(record.data.data() >= end);
    check(record.data.data() + record.data.size() <= page.data() + page.size());
    check(record.uncommitted == (record.offset >= out->committed));
    end = record.data.data() + record.data.size();
  }
  check(!out->trouble.empty() || out->parsed >= out->committed);
  return 0;
}
