// A bundle, and its manifest: what is taken comes back the same, has the size and the digest that
// the manifest says, and comes in the manifest's order.
#include <cstdlib>
#include <map>
#include <string>

#include "harness/bundle/reader.h"
#include "harness/kernel/digest.h"

namespace {
using namespace ktrial::bundle;

void check_manifest(std::string_view bytes) {
  const auto first = parse_manifest(bytes);
  if (!first) return;
  // Bytes that are not UTF-8 become U+FFFD when they are written: once.
  const auto second = parse_manifest(to_json(*first));
  if (!second || second->contents != first->contents) std::abort();
  const auto third = parse_manifest(to_json(*second));
  if (!third || !(*third == *second)) std::abort();
}

void check_bundle(std::string_view bytes) {
  std::map<std::string, std::string> taken;
  const Member* last = nullptr;
  const auto manifest =
      read_bundle(bytes, Stage::memory, [&](const Member& member, std::string_view more) {
        if (last != nullptr && &member < last) std::abort();
        last = &member;
        std::string& all = taken[member.name];
        all += more;
        if (all.size() > member.most) std::abort();
        return ktrial::Status();
      });
  if (!manifest) return;
  if (taken.size() != manifest->contents.size() + 1) std::abort();
  for (const Content& content : manifest->contents)
    if (taken[content.name].size() != content.size ||
        ktrial::kernel::sha256(taken[content.name]) != content.sha256)
      std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_manifest(bytes);
  check_bundle(bytes);
  return 0;
}
