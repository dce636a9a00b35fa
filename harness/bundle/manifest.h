// What a bundle holds: a fixed list of members in a fixed order, the first of which describes the
// others. Format: docs/bundles.md, docs/schema/bundle-manifest.json.
//
// A bundle is a tar archive, compressed with zstd. Unpacked, it is a run's folder with one trial,
// beside the kernel. Nothing in it is ever executed on the host: what is run again is rebuilt from
// values (see replay.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::bundle {

// Who wants only the first stages reads no further.
enum class Stage { evidence, machine, memory };
// Where private words may stand in it: see Matter in secrets.h.
enum class Private { no, text, files };

struct Member {
  const char* name;
  std::uint64_t most;  // bytes; a longer one is refused
  Stage stage = Stage::evidence;
  bool needed = false;  // a bundle without it is none
  Private words = Private::no;
};
// All that a bundle may hold, in the order in which it does; each once at most.
std::span<const Member> members();
const Member* member(std::string_view name);

inline constexpr char kManifest[] = "manifest.json";
inline constexpr char kTrialDir[] = "trials/000/";  // whatever number the trial had
inline constexpr int kVersion = 2;                  // of the format

struct Content {
  std::string name;
  std::uint64_t size = 0;  // bytes
  std::string sha256;
  bool operator==(const Content&) const = default;
};

struct KernelSource {
  std::string reference;  // without paths: deb:PACKAGE=VERSION, git:REV, a file's name
  std::string release, sha256;
  bool included = false;
  bool operator==(const KernelSource&) const = default;
};

// The machine as values: for people, and to compare. A replay takes it from job.json.
struct MachineValues {
  int cpus = 0, memory_mib = 0;
  std::string machine, accel, vmm, channel, kernel_command_line, guest_argv;
  bool operator==(const MachineValues&) const = default;
};

struct LeftOut {
  std::string what, how;
  bool operator==(const LeftOut&) const = default;
};

struct Manifest {
  std::string ktrial_version;  // that wrote it
  std::string run;             // id
  int trial = 0;               // index within the run
  KernelSource kernel;
  MachineValues machine;
  std::vector<Content> contents;  // without the manifest itself
  std::vector<LeftOut> left_out;
  bool operator==(const Manifest&) const = default;
};

std::string to_json(const Manifest& manifest);
// ErrorKind::usage for anything that a bundle of this version does not say: unknown members, sizes
// beyond their bounds, another order, a newer version.
Result<Manifest> parse_manifest(std::string_view json);

}  // namespace ktrial::bundle
