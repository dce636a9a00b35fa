#include "harness/bundle/exact.h"

#include <fmt/format.h>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/bundle/difference.h"
#include "harness/bundle/show.h"
#include "harness/bundle/when.h"
#include "harness/run/run.h"
#include "harness/spec/validate.h"
#include "harness/trial/exact.h"
#include "harness/trial/plan.h"
#include "results/report/report.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::bundle {
namespace fs = std::filesystem;
using results::Determinism;
using results::Json;
using results::printable;

namespace {

Status same_machine(const Determinism& was, const trial::Plan& plan) {
  const Determinism& is = plan.pinned;
  const auto other = [](const char* what, const std::string& then, const std::string& now,
                        const char* hint) -> Status {
    return usage_error(
        fmt::format("it would be another run: {} was {}, and is {}", what, then, now), hint);
  };
  if (was.kernel_sha256 != is.kernel_sha256)
    return other("the kernel (SHA-256)", was.kernel_sha256, is.kernel_sha256,
                 "name the file that ran: --kernel FILE; a bundle (`ktrial report RUN --bundle`) "
                 "carries it along");
  if (was.initramfs_sha256 != is.initramfs_sha256)
    return other("the initramfs (SHA-256)", was.initramfs_sha256, is.initramfs_sha256,
                 "the run's folder must keep its initramfs.cpio as it was");
  if (was.qemu_sha256 != is.qemu_sha256)
    return other("QEMU", was.qemu_version + " (SHA-256 " + was.qemu_sha256 + ")",
                 is.qemu_version + " (SHA-256 " + is.qemu_sha256 + ")",
                 "name the same program by KTRIAL_QEMU");
  return {};
}

class Replay {
 public:
  Replay(const Kept& kept, const results::TrialRecord& trial, const Choices& choices,
         const Look& look, const run::Sink& sink)
      : kept_(kept), trial_(trial), choices_(choices), look_(look), sink_(sink) {}

  Result<ExactReplay> run() {
    out_.trial = trial_.index;
    out_.then = trial_.verdict;
    out_.was = *trial_.determinism;
    // The same first: nothing that is seen in another run says anything of this one.
    const auto record = KTRIAL_TRY(pass([&](trial::Plan& plan) -> Status {
      plan.exact->hold_at = trial::hold_for(out_.was);
      if (look_.any())
        plan.when_held = [&, this](vm::Vm& vm) {
          map_ = read_map(vm, plan);
          if (*map_ && !look_.stops() && look_.when.empty()) show_words(vm, plan, **map_);
        };
      return {};
    }));
    out_.seconds = record.duration_s;
    compare(record);
    if (!out_.parted.empty() || !look_.any()) return out_;
    if (!map_) return fail(ErrorKind::internal, "the machine was not held");
    const Map map = KTRIAL_TRY(std::move(*map_));
    if (look_.runs()) KTRIAL_TRY(look_at(map));
    KTRIAL_TRY(tell_words());
    return out_;
  }

  Result<Way> way(const std::vector<std::uint64_t>& from) {
    out_.was = *trial_.determinism;
    std::vector<vm::Visit> jumps;
    const auto record = KTRIAL_TRY(pass([&](trial::Plan& plan) -> Status {
      plan.exact->hold_at = trial::hold_for(out_.was);
      plan.exact->jumps_from = from;
      plan.when_held = [&](vm::Vm& vm) {
        map_ = read_map(vm, plan);
        jumps = vm.countable()->visits();
      };
      return {};
    }));
    compare(record);
    if (!out_.parted.empty())
      return fail(ErrorKind::environment, fmt::format("trial {} is not the same run any more: {}",
                                                      trial_.index, out_.parted));
    if (!map_) return fail(ErrorKind::internal, "the machine was not held");
    return Way{KTRIAL_TRY(std::move(*map_)), std::move(jumps)};
  }

 private:
  Result<Map> read_map(vm::Vm& vm, const trial::Plan& plan) const {
    return map_of(vm, static_cast<unsigned>(plan.spec.cpus),
                  static_cast<std::uint64_t>(plan.spec.memory_mib), plan.timeouts.monitor_reply,
                  plan.symbols);
  }

  // What --show asks for, of a machine that is held.
  void show_words(vm::Vm& vm, const trial::Plan& plan, const Map& map) {
    if (look_.show.empty()) return;
    words_ = show(look_.show, map, static_cast<unsigned>(out_.was.by_cpu.size()), vm,
                  plan.timeouts.monitor_reply);
  }
  Status tell_words() {
    if (words_) out_.pages.push_back(KTRIAL_TRY(std::move(*words_)));
    return {};
  }

  Result<results::TrialRecord> pass(const std::function<Status(trial::Plan&)>& set_up) {
    ReplayJob made = KTRIAL_TRY(replay_job(kept_, trial_, choices_));
    made.job.spec.seed = out_.was.seed;
    made.job.spec.shift = out_.was.shift;
    made.job.spec.repeat = 1;
    made.job.boots = 1;
    KTRIAL_TRY(spec::validate(made.job.spec));
    const auto now = KTRIAL_TRY(run::run_job(made.job, sink_, [&](trial::Plan& plan) -> Status {
      if (!plan.exact) return fail(ErrorKind::internal, "the kept job is not deterministic");
      KTRIAL_TRY(same_machine(out_.was, plan));
      plan.ends_when_held = !plan.exact->plugin.empty();
      if (!kept_.is_bundle()) plan.run_facts.emplace_back(kReplayOf, kept_.run.id);
      if (look_.any() && plan.exact->plugin.empty())
        return fail(ErrorKind::environment, "nothing can be looked at: " + plan.no_plugin);
      return set_up(plan);
    }));
    if (now.trials.size() != 1 || !now.trials.front().determinism)
      return fail(ErrorKind::environment, "the run was not recorded to its end");
    return now.trials.front();
  }

  void compare(const results::TrialRecord& now) {
    out_.is = *now.determinism;
    out_.folder = now.artifacts.string();
    out_.parted = trial::first_parting({out_.was, trial_.artifacts}, {out_.is, now.artifacts});
  }

  Status look_at(const Map& map) {
    std::optional<When> when;
    std::vector<vm::Exact::Term> terms;
    if (!look_.when.empty()) {
      when = KTRIAL_TRY(parse_when(look_.when));
      terms = KTRIAL_TRY(resolve(*when, map, static_cast<unsigned>(out_.was.by_cpu.size())));
    }
    std::vector<vm::Visit> visits;
    std::uint64_t lost = 0;
    vm::Changes changes;
    const auto record = KTRIAL_TRY(pass([&](trial::Plan& plan) -> Status {
      // Where it ends, should it never come to where it is to stop.
      plan.exact->hold_at = trial::hold_for(out_.was);
      KTRIAL_TRY(apply(look_, map, out_.was.instructions, *plan.exact));
      plan.exact->when = terms;
      plan.examine_held = look_.stops();
      plan.when_held = [&](vm::Vm& vm) {
        if (look_.stops()) show_words(vm, plan, map);
        changes = vm.countable()->changes();
        visits = vm.countable()->visits();
        lost = vm.countable()->lost_visits();
      };
      return {};
    }));
    out_.folder = record.artifacts.string();
    if (look_.stops()) {
      tell_stop(record);
    } else {
      compare(record);
    }
    if (lost > 0)
      out_.pages.push_back(fmt::format("{} records more had no room; ask for less\n", lost));
    if (!look_.trace.empty()) keep("calls.txt", text_of_calls(visits, map.symbols));
    if (!look_.watch.empty()) keep("stores.txt", text_of_stores(visits, map.symbols));
    if (look_.coverage) keep("coverage.txt", text_of_coverage(visits, map.symbols));
    if (!when || !out_.parted.empty()) return {};
    keep("changes.txt", text_of_changes(*when, changes, out_.was.instructions, map.symbols));
    const auto instant = instant_of(*when, changes);
    return instant && instant->instructions > 0 ? stop_at(instant->instructions, map) : Status{};
  }

  // Once more, to that instant.
  Status stop_at(std::uint64_t instructions, const Map& map) {
    const auto record = KTRIAL_TRY(pass([&](trial::Plan& plan) -> Status {
      plan.exact->hold_at = instructions;
      plan.examine_held = true;
      plan.when_held = [&](vm::Vm& vm) { show_words(vm, plan, map); };
      return {};
    }));
    tell_stop(record);
    return {};
  }

  void tell_stop(const results::TrialRecord& record) {
    const Determinism& at = *record.determinism;
    if (at.held == "end" || at.held.empty() || at.instructions >= out_.was.instructions) {
      out_.pages.push_back("It never comes there.\n");
      return;
    }
    out_.pages.push_back(fmt::format("Held after {} instructions, {} before the end; {}\n",
                                     at.instructions, out_.was.instructions - at.instructions,
                                     record.artifacts.string()));
    out_.pages.push_back(read_file(record.artifacts / "autopsy.txt", 4u << 20).value_or(""));
  }

  // The page is a file of the run, and what fits a screen is shown.
  void keep(const char* name, const std::string& text) {
    const fs::path file = fs::path(out_.folder) / name;
    const auto written = write_file_atomically(file, text);
    std::vector<std::string_view> lines;
    std::string_view rest = text;
    while (const auto line = take_line(rest)) lines.push_back(*line);
    constexpr std::size_t kShown = 40;
    std::string page = fmt::format("{}, {} lines:\n", name, lines.size());
    const std::size_t from = lines.size() > kShown ? lines.size() - kShown : 0;
    if (!written) page += fmt::format("  [lost: {}]\n", written.error().message);
    if (from > 0 && written)
      page += fmt::format("  [the first {} are in {}]\n", from, file.string());
    for (std::size_t i = from; i < lines.size(); ++i) page += fmt::format("  {}\n", lines[i]);
    out_.pages.push_back(page);
  }

  const Kept& kept_;
  const results::TrialRecord& trial_;
  const Choices& choices_;
  const Look& look_;
  const run::Sink& sink_;
  std::optional<Result<Map>> map_;
  std::optional<Result<std::string>> words_;
  ExactReplay out_;
};

std::string in_few_words(const Determinism& state) {
  if (state.held.empty())
    return fmt::format("{} bytes of console; no end state: {}", state.console_bytes,
                       state.not_held);
  std::string cpus;
  for (const std::uint64_t count : state.by_cpu)
    cpus += (cpus.empty() ? "" : " + ") + std::to_string(count);
  return fmt::format("{} instructions ({}), console {:.12}, registers {:.12}, RAM {:.12}",
                     state.instructions, cpus, state.console_sha256, state.registers_sha256,
                     state.ram_sha256);
}

}  // namespace

Result<ExactReplay> replay_exact(const Kept& kept, const results::TrialRecord& trial,
                                 const Choices& choices, const Look& look, const run::Sink& sink) {
  return Replay(kept, trial, choices, look, sink).run();
}

Result<Way> replay_way(const Kept& kept, const results::TrialRecord& trial, const Choices& choices,
                       const std::vector<std::uint64_t>& from, const run::Sink& sink) {
  return Replay(kept, trial, choices, {.jumps = true}, sink).way(from);
}

std::string text_of(const ExactReplay& replay, const std::string& source) {
  // A machine that was never held is no other one, as far as anybody knows.
  const bool cut_short = replay.is.held.empty() && !replay.was.held.empty();
  std::string out = fmt::format("Replay of {}, trial {}, seed {}: {}\n", printable(source),
                                replay.trial, replay.was.seed,
                                replay.parted.empty() ? "identical"
                                : cut_short           ? "cut short, nothing is shown"
                                                      : "NOT the same run");
  if (!replay.parted.empty())
    out +=
        (cut_short ? "  because        " : "  differs first  ") + printable(replay.parted) + "\n";
  out += fmt::format("  then           {}\n", printable(in_short(replay.then)));
  out += fmt::format("  at its end     {}\n", in_few_words(replay.is));
  if (!replay.parted.empty()) out += fmt::format("  was            {}\n", in_few_words(replay.was));
  out += fmt::format("  time           {:.1f} s\n  folder         {}\n", replay.seconds,
                     replay.folder);
  for (const std::string& page : replay.pages) {
    out += "\n";
    std::string_view rest = page;
    while (const auto line = take_line(rest)) out += printable(*line) + "\n";
  }
  return out;
}

std::string json_of(const std::vector<ExactReplay>& replays, const std::string& source) {
  Json list = Json::array();
  for (const ExactReplay& one : replays)
    list.push_back({{"trial", one.trial},
                    {"outcome", name(one.then.outcome)},
                    {"title", one.then.title},
                    {"identical", one.parted.empty()},
                    {"parted", one.parted},
                    {"seconds", one.seconds},
                    {"folder", one.folder},
                    {"was", to_json(one.was)},
                    {"is", to_json(one.is)},
                    {"pages", results::strings(one.pages)}});
  return results::dump(
      results::document({{"mode", "exact"}, {"source", source}, {"replays", list}}));
}

}  // namespace ktrial::bundle
