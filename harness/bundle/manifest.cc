#include "harness/bundle/manifest.h"

#include <algorithm>

#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::bundle {
namespace {
using results::Json;
using results::text_of;

constexpr std::uint64_t kMiB = 1 << 20, kGiB = 1 << 30;

// Logs: ConsoleLog keeps 64 MiB and a line.
// clang-format off
constexpr Member kMembers[] = {
    {kManifest, kMiB, Stage::evidence, true, Private::text},
    {"job.json", kMiB, Stage::evidence, true, Private::text},
    {"run.json", 16 * kMiB, Stage::evidence, true, Private::text},
    {"trials/000/verdict.json", 64 * kMiB, Stage::evidence, true, Private::text},
    {"trials/000/evidence.json", 64 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/console.log", 65 * kMiB, Stage::evidence, true, Private::text},
    {"trials/000/console.times", 64 * kMiB},
    {"trials/000/events.jsonl", 64 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/output/console.log", 65 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/output/console.times", 64 * kMiB},
    {"trials/000/autopsy.txt", 16 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/kernel.log", 64 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/trace.dat", 256 * kMiB, Stage::evidence, false, Private::files},
    {"trials/000/trace.txt", 256 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/trace.json", 256 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/trace.svg", 64 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/trace.marks.json", 64 * kMiB, Stage::evidence, false, Private::text},
    {"trials/000/trace.stats", 16 * kMiB},
    {"trials/000/registers.txt", 16 * kMiB},
    {"trials/000/paths.txt", 64 * kMiB},
    {"config", 4 * kMiB, Stage::machine, false, Private::text},
    {"kernel", 512 * kMiB, Stage::machine},
    {"initramfs.cpio", kGiB, Stage::machine, false, Private::files},
    {"trials/000/vmcore", 64 * kGiB, Stage::memory},
};
// clang-format on

constexpr char kDamaged[] = "get the bundle again, or ask who made it";

std::unexpected<Error> refuse_manifest(const std::string& what) {
  return usage_error(std::string(kManifest) + ": " + what, kDamaged);
}

bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Json contents_json(const std::vector<Content>& contents) {
  Json out = Json::array();
  for (const Content& one : contents)
    out.push_back({{"name", one.name}, {"size", one.size}, {"sha256", one.sha256}});
  return out;
}

Status read_contents(const Json& json, std::vector<Content>& into) {
  const auto list = json.find("contents");
  if (list == json.end() || !list->is_array()) return refuse_manifest("contents: must be a list");
  const Member* last = kMembers;  // the manifest itself
  for (const Json& item : *list) {
    if (!item.is_object()) return refuse_manifest("contents: each must be an object");
    const auto size = item.find("size");
    const Content one{
        text_of(item, "name"),
        size != item.end() && size->is_number_unsigned() ? size->get<std::uint64_t>() : UINT64_MAX,
        text_of(item, "sha256")};
    const Member* known = member(one.name);
    if (known == nullptr) return refuse_manifest("contents: names a member that no bundle has");
    if (known <= last)
      return refuse_manifest("contents: " + one.name + " is named twice, or out of its order");
    if (one.size > known->most)
      return refuse_manifest("contents: " + one.name + " has no size, or one of more than " +
                             std::to_string(known->most) + " bytes");
    if (!is_digest(one.sha256)) return refuse_manifest("contents: " + one.name + " has no sha256");
    into.push_back(one);
    last = known;
  }
  for (const Member& one : kMembers)
    if (one.needed && &one != kMembers &&
        std::ranges::find(into, one.name, &Content::name) == into.end())
      return refuse_manifest("contents: " + std::string(one.name) + " is missing");
  return {};
}

}  // namespace

std::span<const Member> members() { return kMembers; }

const Member* member(std::string_view name) {
  const auto* found =
      std::ranges::find_if(kMembers, [&](const Member& one) { return name == one.name; });
  return found == std::end(kMembers) ? nullptr : found;
}

std::string to_json(const Manifest& manifest) {
  const auto& [ktrial_version, run, trial, kernel, machine, contents, left_out] = manifest;
  Json gone = Json::array();
  for (const LeftOut& one : left_out) gone.push_back({{"what", one.what}, {"how", one.how}});
  return results::dump({{"schema", results::kSchema},
                        {"ktrial_version", ktrial_version},
                        {"bundle", kVersion},
                        {"run", run},
                        {"trial", trial},
                        {"kernel",
                         {{"reference", kernel.reference},
                          {"release", kernel.release},
                          {"sha256", kernel.sha256},
                          {"included", kernel.included}}},
                        {"machine",
                         {{"cpus", machine.cpus},
                          {"memory_mib", machine.memory_mib},
                          {"machine", machine.machine},
                          {"accel", machine.accel},
                          {"vmm", machine.vmm},
                          {"channel", machine.channel},
                          {"kernel_command_line", machine.kernel_command_line},
                          {"guest_argv", machine.guest_argv}}},
                        {"contents", contents_json(contents)},
                        {"left_out", gone}});
}

Result<Manifest> parse_manifest(std::string_view text) {
  const auto json = results::parse_json(text);
  if (!json || !json->is_object()) return refuse_manifest("is not a JSON object");
  const int version = results::int_of(*json, "bundle");
  if (version < 1) return refuse_manifest("bundle: the version of the format is missing");
  if (version > kVersion)
    return usage_error(std::string(kManifest) + ": bundle: version " + std::to_string(version) +
                           " is newer than " + std::to_string(kVersion) +
                           ", the newest that this ktrial reads",
                       "use the ktrial that wrote it, or a newer one");
  Manifest out{.ktrial_version = text_of(*json, "ktrial_version"),
               .run = text_of(*json, "run"),
               .trial = std::max(0, results::int_of(*json, "trial"))};
  if (const Json* kernel = results::object_in(*json, "kernel"))
    out.kernel = {text_of(*kernel, "reference"), text_of(*kernel, "release"),
                  text_of(*kernel, "sha256"), results::bool_of(*kernel, "included")};
  if (const Json* machine = results::object_in(*json, "machine"))
    out.machine = {results::int_of(*machine, "cpus"),
                   results::int_of(*machine, "memory_mib"),
                   text_of(*machine, "machine"),
                   text_of(*machine, "accel"),
                   text_of(*machine, "vmm"),
                   text_of(*machine, "channel"),
                   text_of(*machine, "kernel_command_line"),
                   text_of(*machine, "guest_argv")};
  KTRIAL_TRY(read_contents(*json, out.contents));
  const bool has_kernel =
      std::ranges::find(out.contents, "kernel", &Content::name) != out.contents.end();
  if (has_kernel != out.kernel.included)
    return refuse_manifest("kernel: whether it is included is told in two ways");
  results::each_object(*json, "left_out", [&](const Json& one) {
    out.left_out.push_back({text_of(one, "what"), text_of(one, "how")});
  });
  return out;
}

}  // namespace ktrial::bundle
