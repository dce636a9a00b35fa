#include "harness/cli/build_flags.h"

#include <unistd.h>

#include <cstdio>
#include <memory>

#include "harness/base/text.h"
#include "harness/cli/output.h"
#include "harness/kernel/build/kconfig.h"
#include "harness/kernel/kernel.h"
#include "harness/trial/plan.h"

namespace ktrial::cli {
void add_build_options(CLI::App& command, BuildFlags& f, const char* jobs) {
  // Without a tree they would be passed over: a kernel without KASAN on trial.
  const auto add_needing_tree = [&](const char* name, auto& into, const char* help) {
    return command.add_option(name, into, help)->needs("--tree");
  };
  command.add_option("--tree", f.tree, "Git tree of Linux; it is not written to");
  add_needing_tree("--config", f.configs,
                   "More configuration: an optional fragment by name (kasan, lockdep, ...) or a "
                   "file; repeatable")
      ->allow_extra_args(false);
  add_needing_tree("--base-config", f.base_config, "Start from this .config, not from nothing");
  add_needing_tree("--compiler", f.compiler, "gcc, gcc-12, clang, ... [gcc]");
  add_needing_tree(jobs, f.jobs, "Of make [one for each CPU]")->check(CLI::Range(1, 4096));
}

Result<kernel::BuildRequest> build_request(const BuildFlags& flags) {
  const auto payload = KTRIAL_TRY(trial::find_payload());
  kernel::BuildRequest request{
      .tree = flags.tree,
      .revision = {},
      .fragments = KTRIAL_TRY(kernel::choose_fragments(payload / "kconfigs", flags.configs))};
  if (!flags.base_config.empty()) request.base_config = flags.base_config;
  request.compiler = flags.compiler;
  request.jobs = flags.jobs;
  request.cache_dir = KTRIAL_TRY(kernel::default_cache_dir());
  return request;
}

Result<kernel::BuildRequest> git_options(const BuildFlags& flags) {
  if (flags.tree.empty()) return kernel::BuildRequest{};
  auto request = KTRIAL_TRY(build_request(flags));
  const auto bar = std::make_shared<BuildBar>();
  request.progress = [bar](const kernel::BuildProgress& progress) { (*bar)(progress); };
  return request;
}

BuildBar::BuildBar() : terminal_(::isatty(STDERR_FILENO) != 0) {}

void BuildBar::operator()(const kernel::BuildProgress& progress) {
  if (!terminal_) {
    if (step_ != progress.step) to_stderr("ktrial: building: {}\n", progress.step);
    step_ = progress.step;
    return;
  }
  constexpr unsigned kWidth = 24;
  const unsigned expected = std::max(progress.expected, progress.done);
  const unsigned full = expected == 0 ? 0 : progress.done * kWidth / expected;
  to_stderr("\r\033[Kktrial: {} [{}{}] {}{}, {}{}  {}", progress.step, std::string(full, '#'),
            std::string(kWidth - full, '.'), progress.done,
            progress.expected != 0 ? fmt::format("/{}", progress.expected) : "",
            spoken_seconds(static_cast<double>(progress.elapsed.count())),
            progress.left ? fmt::format(", {} left",
                                        spoken_seconds(static_cast<double>(progress.left->count())))
                          : "",
            progress.detail.substr(0, 40));
  live_ = true;
}

void BuildBar::done() {
  if (live_) to_stderr("\r\033[K");
  live_ = false;
}

}  // namespace ktrial::cli
