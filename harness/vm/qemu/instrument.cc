#include "harness/vm/qemu/instrument.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "harness/base/file.h"

namespace ktrial::vm {
namespace {

std::string comm_of(const char (&comm)[16]) { return {comm, ::strnlen(comm, sizeof comm)}; }

Change change_of(const ktrial_change& one) {
  return {one.instructions, one.address, one.cpu, one.holds != 0, one.pid, comm_of(one.comm)};
}

Status put_condition(const Exact& exact, ktrial_control& control) {
  if (exact.when.size() > KTRIAL_MAX_TERMS)
    return fail(ErrorKind::usage, "a condition of more than 8 parts");
  for (const Exact::Term& part : exact.when) {
    if (part.offsets.size() > KTRIAL_MAX_STEPS)
      return fail(ErrorKind::usage, "a condition with more than 4 pointers to be followed");
    ktrial_term& term = control.term[control.terms++];
    term = {.kind = static_cast<std::uint32_t>(part.memory ? KTRIAL_HOLDS : KTRIAL_EXECUTES),
            .negated = part.negated,
            .cpu = part.cpu,
            .comparison = static_cast<std::uint32_t>(part.is),
            .bytes = part.bytes,
            .steps = static_cast<std::uint32_t>(part.offsets.size()),
            .from = part.from,
            .to = part.to,
            .at = part.at,
            .offset = {},
            .value = part.value};
    std::ranges::copy(part.offsets, term.offset);
  }
  return {};
}

Status put_exact(const VmConfig& config, ktrial_control& control) {
  const Exact& exact = *config.exact;
  control.stop_at = exact.hold_at.value_or(~0ull);
  control.coverage = exact.coverage;
  control.watching = exact.watch_bytes > 0;
  control.watch = exact.watch;
  control.watch_bytes = exact.watch_bytes;
  if (exact.places.size() > KTRIAL_MAX_PLACES)
    return fail(ErrorKind::usage, "more than 256 places to be looked at");
  for (const Exact::Place& place : exact.places)
    control.place[control.places++] = {place.address, place.hold_at, 0, place.record, 0};
  KTRIAL_TRY(put_condition(exact, control));
  control.recording_jumps = !exact.jumps_from.empty();
  std::copy_n(exact.jumps_from.begin(),
              std::min<std::size_t>(exact.jumps_from.size(), KTRIAL_MAX_CPUS), control.jumps_from);
  if (!exact.tasks.current.empty()) {
    const std::uint64_t bytes = config.memory_mib << 20;
    control.ram_bytes = bytes;
    control.direct_map = exact.tasks.direct_map;
    control.image = exact.tasks.image;
    control.image_physical = exact.tasks.image_physical;
    control.split_low = config.machine->low_memory(bytes);
    control.high_base = config.machine->high_base;
    control.pid_offset = exact.tasks.pid_offset;
    control.comm_offset = exact.tasks.comm_offset;
    const std::size_t cpus = std::min<std::size_t>(exact.tasks.current.size(), KTRIAL_MAX_CPUS);
    std::copy_n(exact.tasks.current.begin(), cpus, control.current_task);
  }
  return {};
}

}  // namespace

Result<Instrument> Instrument::create(const VmConfig& config) {
  Instrument out;
  out.fd_.reset(::memfd_create("ktrial-plugin", MFD_CLOEXEC));
  if (!out.fd_) return fail_errno("memfd_create", errno);
  if (::ftruncate(out.fd_.get(), sizeof(ktrial_control)) != 0)
    return fail_errno("the plugin's file", errno);
  void* at =
      ::mmap(nullptr, sizeof(ktrial_control), PROT_READ | PROT_WRITE, MAP_SHARED, out.fd_.get(), 0);
  if (at == MAP_FAILED) return fail_errno("map the plugin's file", errno);
  out.control_ = std::shared_ptr<ktrial_control>(
      static_cast<ktrial_control*>(at),
      [](ktrial_control* all) { ::munmap(all, sizeof(ktrial_control)); });
  out.control_->delaying = !config.delaying.empty();
  if (config.exact) KTRIAL_TRY(put_exact(config, *out.control_));
  return out;
}

void Instrument::go_on() const {
  __atomic_add_fetch(&control_->go, 1, __ATOMIC_RELEASE);
  ::syscall(SYS_futex, &control_->go, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  // It has gone on when it says so: until then its old word is no new one.
  __atomic_store_n(&control_->holding, static_cast<std::uint32_t>(KTRIAL_RUNNING),
                   __ATOMIC_RELEASE);
}

std::optional<Hold> Instrument::held() const {
  const auto why = __atomic_load_n(&control_->holding, __ATOMIC_ACQUIRE);
  if (why == KTRIAL_RUNNING) return std::nullopt;
  return Hold{why == KTRIAL_AT_COUNT ? Hold::Why::count
              : why == KTRIAL_AT_END ? Hold::Why::end
                                     : Hold::Why::place,
              control_->hold_cpu, control_->instructions, control_->hold_address};
}

std::vector<Visit> Instrument::visits() const {
  const auto count = std::min<std::uint64_t>(__atomic_load_n(&control_->records, __ATOMIC_ACQUIRE),
                                             KTRIAL_MAX_RECORDS);
  std::vector<Visit> out;
  out.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const ktrial_record& one = control_->record[i];
    out.push_back({static_cast<Visit::What>(one.kind), one.instructions, one.address, one.target,
                   one.cpu, one.place,
                   one.kind == KTRIAL_CALL || one.kind == KTRIAL_STORE ? one.pid : -1,
                   comm_of(one.comm)});
  }
  return out;
}

Changes Instrument::changes() const {
  Changes out{.count = control_->changes, .first = {}, .last = {}};
  if (control_->first.holds) out.first = change_of(control_->first);
  const std::uint64_t shown = std::min<std::uint64_t>(out.count, KTRIAL_MAX_CHANGES);
  for (std::uint64_t i = out.count - shown; i < out.count; ++i)
    out.last.push_back(change_of(control_->change[i % KTRIAL_MAX_CHANGES]));
  return out;
}

Paths Instrument::paths(unsigned cpus) const {
  Paths out{.blocks = {}, .marks = std::vector<std::vector<std::uint64_t>>(cpus)};
  out.whole = control_->lost_blocks == 0 && control_->lost_marks == 0;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(control_->blocks, KTRIAL_MAX_BLOCKS); ++i) {
    const ktrial_block& one = control_->block[i];
    if (one.visits > 0) out.blocks.push_back({one.address, one.visits, one.instructions});
  }
  std::ranges::sort(out.blocks, {}, &Paths::Block::address);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(control_->marks, KTRIAL_MAX_MARKS); ++i)
    if (control_->mark[i].cpu < cpus)
      out.marks[control_->mark[i].cpu].push_back(control_->mark[i].hash);
  return out;
}

Status Instrument::delay_at(const std::vector<Delay>& delays) {
  if (delays.size() > KTRIAL_MAX_DELAYS) return fail(ErrorKind::usage, "more than 16 delays");
  for (std::size_t i = 0; i < delays.size(); ++i) {
    const Delay& one = delays[i];
    const auto most = static_cast<std::uint64_t>(std::chrono::nanoseconds(one.most).count());
    constexpr double kAlways = 4294967296.0;  // 2^32
    control_->delay[i] = {.address = one.address,
                          .least_ns = most / 10,
                          .most_ns = most,
                          .odds = static_cast<std::uint64_t>(one.probability * kAlways),
                          .visits = 0,
                          .delays = 0,
                          .time_ns = 0};
  }
  __atomic_store_n(&control_->delays, static_cast<std::uint32_t>(delays.size()), __ATOMIC_RELEASE);
  return {};
}

std::vector<DelayCount> Instrument::delayed() const {
  std::vector<DelayCount> out;
  const auto now = [](const std::uint64_t& count) {
    return __atomic_load_n(&count, __ATOMIC_RELAXED);
  };
  for (std::uint32_t i = 0; i < control_->delays; ++i) {
    const ktrial_delay& one = control_->delay[i];
    out.push_back({now(one.visits), now(one.delays), std::chrono::nanoseconds(now(one.time_ns))});
  }
  return out;
}

PluginChoice choose_plugin(const std::filesystem::path& folder, std::string_view qemu_version,
                           const std::filesystem::path& qemu) {
  // Of QEMU 11 the oldest interface is version 7, of 9.0 it is 2; until 8.1 the newest is 1.
  const int major = std::atoi(std::string(qemu_version).c_str());
  const int api = major >= 11 ? 7 : major >= 9 ? 2 : 1;
  const auto file = folder / fmt::format("ktrial-plugin-{}.so", api);
  if (::access(file.c_str(), R_OK) != 0)
    return {{}, file.string() + " is missing: build ktrial again"};
  const auto program = read_file(qemu, 256u << 20);
  if (!program) return {{}, program.error().message};
  if (program->find("qemu_plugin_register_vcpu_tb_trans_cb") == std::string::npos)
    return {{}, qemu.string() + " was built without TCG plugins"};
  return {file, ""};
}

Result<std::filesystem::path> find_clock(const std::filesystem::path& folder) {
  auto file = folder / "ktrial-clock.so";
  if (::access(file.c_str(), R_OK) != 0)
    return fail(ErrorKind::environment, file.string() + " is missing: build ktrial again");
  if (file.string().find_first_of(" :") != std::string::npos)
    return fail(ErrorKind::environment,
                file.string() + ": LD_PRELOAD cannot name it, for its space or colon",
                "install ktrial below another folder");
  return file;
}

}  // namespace ktrial::vm
