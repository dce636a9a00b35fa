#include "harness/vm/qemu/accel.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "harness/base/file.h"

namespace ktrial::vm {
using nlohmann::json;

namespace {

// Why KVM does not work, and whether that is so until the host boots again. What rests on time (a
// silent kernel, a machine that did not start) may come from a busy moment.
struct Failure {
  std::string text;
  bool lasting = false;
};
constexpr std::chrono::minutes kDoubtfulFor{10};  // then KVM is tried again

std::int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Why the device cannot even be opened, if so.
std::optional<std::string> why_not_openable(const std::filesystem::path& device) {
  int fd = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    ::close(fd);
    return std::nullopt;
  }
  switch (errno) {
    case ENOENT:
      return "there is no " + device.string() +
             " (virtualisation is off in the firmware, or kvm_intel/kvm_amd is not loaded)";
    case EACCES:
    case EPERM:
      return device.string() + " may not be opened (add yourself to the group kvm)";
    default:
      return system_error(device.string(), errno).message;
  }
}

// Boots the kernel under KVM without an initramfs until it prints. Nothing if
// it did, else why not.
std::optional<Failure> why_kvm_fails(Clock& clock, const AccelQuery& query,
                                     const VmFactory& factory) {
  VmConfig config{.name = "ktrial-kvm-probe",
                  .kernel = query.kernel,
                  .initrd = {},
                  .command_line = "console=" + query.arch->console + " " +
                                  query.arch->early_console + " ignore_loglevel panic=-1",
                  .cpus = 1,
                  .memory_mib = 256,
                  .accel = Accel::kvm,
                  .arch = query.arch,
                  .machine = query.arch->machine(""),
                  .channel = NoChannelDevice{}};
  auto machine = factory(config);
  if (!machine) return Failure{machine.error().message};
  std::string console;
  std::optional<Failure> failure;
  bool printed = false;
  auto started = (*machine)->start([&](VmEvent event) {
    if (auto* bytes = std::get_if<ConsoleBytes>(&event)) {
      console += bytes->bytes;
      printed = printed || console.find("Linux version ") != console.npos;
      if (console.size() > 65536) console.erase(0, console.size() - 4096);
    } else if (auto* stopped = std::get_if<Stopped>(&event)) {
      failure = {stopped->reason, true};
    } else if (auto* ended = std::get_if<Exited>(&event)) {
      // What kills with SIGKILL (the OOM killer, an administrator) says nothing about KVM.
      failure = {"QEMU " + ended->status.text() +
                     (ended->last_words.empty() ? "" : ": " + ended->last_words),
                 !(ended->status.signaled && ended->status.value == SIGKILL)};
    }
  });
  if (!started) return Failure{started.error().message};
  const auto deadline = clock.now() + query.patience;
  while (!printed && !failure && clock.now() < deadline) clock.wait(deadline);
  if (printed) return std::nullopt;
  if (failure) {
    if (auto status = (*machine)->status(std::chrono::milliseconds(500)))
      failure->text += " (status: " + *status + ")";
    return failure;
  }
  return Failure{"the kernel printed nothing under KVM within " +
                 std::to_string(query.patience.count() / 1000) + " s"};
}

// The file of answers, by host boot, QEMU and kernel: "" works, a text is why not, and
// {"failure": why not, "until": seconds since 1970} is that for a while.
json load_cache(const std::filesystem::path& path) {
  auto text = read_file(path, 1u << 20);
  json cache = text ? json::parse(*text, nullptr, false) : json();
  return cache.is_object() ? cache : json::object();
}

// Nothing when there is no answer, or none any more. An empty text: KVM works.
std::optional<std::string> answer(const json& cache, const std::string& key) {
  const auto known = cache.find(key);
  if (known == cache.end()) return std::nullopt;
  if (known->is_string()) return known->get<std::string>();
  if (!known->is_object() || !known->contains("until") || !known->contains("failure"))
    return std::nullopt;
  const json &until = (*known)["until"], &failure = (*known)["failure"];
  if (!until.is_number_integer() || !failure.is_string()) return std::nullopt;
  // A clock that was set back must not make it last.
  const std::int64_t left = until.get<std::int64_t>() - now_s();
  if (left <= 0 || left > std::chrono::seconds(kDoubtfulFor).count()) return std::nullopt;
  return failure.get<std::string>();
}

std::string boot_id() {
  auto id = read_file("/proc/sys/kernel/random/boot_id", 128);
  return id ? id->substr(0, id->find('\n')) : "unknown";
}

}  // namespace

Result<AccelChoice> choose_accel(Clock& clock, const AccelQuery& query,
                                 const std::string& vmm_version, const VmFactory& factory) {
  if (query.wanted == Accel::tcg) return AccelChoice{Accel::tcg, "asked for"};
  const std::string key = boot_id() + "/" + vmm_version + "/" + query.kernel_id;
  std::optional<std::string> failure;
  if (!query.kvm_device.empty()) failure = why_not_openable(query.kvm_device);
  if (!failure) {
    json cache = load_cache(query.cache);
    if (auto known = answer(cache, key)) {
      if (!known->empty()) failure = std::move(known);
    } else {
      const std::optional<Failure> found = why_kvm_fails(clock, query, factory);
      if (found) failure = found->text;
      // Answers of earlier host boots can never be asked for again.
      json kept = json::object();
      for (auto& [k, v] : cache.items())
        if (k.starts_with(boot_id())) kept[k] = v;
      kept[key] = failure.value_or("");
      if (found && !found->lasting)
        kept[key] = {{"failure", found->text},
                     {"until", now_s() + std::chrono::seconds(kDoubtfulFor).count()}};
      std::error_code ignored;
      std::filesystem::create_directories(query.cache.parent_path(), ignored);
      (void)write_file_atomically(query.cache, kept.dump(2));  // only a speed-up
    }
  }
  if (!failure) return AccelChoice{Accel::kvm, "this kernel printed under KVM"};
  if (query.wanted == Accel::kvm)
    return fail(
        ErrorKind::environment, "KVM does not work here: " + *failure,
        "use --accel auto or --accel tcg (slower), or mend KVM; `ktrial doctor` tells more");
  return AccelChoice{Accel::tcg, "KVM is not usable: " + *failure};
}

}  // namespace ktrial::vm
