// `ktrial kernel`: which kernels there are, and what comes with one.

#include <memory>

#include "harness/arch/arch.h"
#include "harness/base/stop_on_signal.h"
#include "harness/cli/build_flags.h"
#include "harness/cli/commands.h"
#include "harness/cli/kernel_documents.h"
#include "harness/cli/output.h"
#include "harness/kernel/build/kconfig.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/deb/catalog.h"
#include "harness/kernel/deb/headers.h"
#include "harness/spec/workload.h"
#include "harness/trial/plan.h"
#include "results/store/json.h"

namespace ktrial::cli {
namespace {

struct KernelFlags {
  std::string pattern = arch::native().kernel_packages, format = "text";
  std::vector<std::string> references;
  bool cached = false, offline = false;
};

std::string human_size(std::uint64_t bytes) {
  if (bytes >= 10ull << 30) return fmt::format("{} GiB", bytes >> 30);
  return fmt::format("{} MiB", (bytes + (1 << 19)) >> 20);
}

Result<kernel::ResolveOptions> options_of(const KernelFlags& flags, const StopOnSignal& stop) {
  return kernel::ResolveOptions{
      .cache_dir = KTRIAL_TRY(kernel::default_cache_dir()),
      .offline = flags.offline || flags.cached,
      .progress = [](std::string_view line) { to_stderr("ktrial: {}\n", line); },
      .stop = stop.token()};
}

Result<int> list(const KernelFlags& flags) {
  const StopOnSignal stop;
  const auto options = KTRIAL_TRY(options_of(flags, stop));
  const std::uint64_t bound = KTRIAL_TRY(kernel::cache_bound());
  auto kernels = KTRIAL_TRY(kernel::list_packages(flags.pattern, options));
  if (flags.format == "json") {
    to_stdout("{}", results::dump(list_document(kernels)));
    return 0;
  }
  for (const auto& kernel : kernels)
    to_stdout("{:<76} {}\n", kernel.reference(),
              kernel.cached ? "cached" : human_size(kernel.size));
  std::uint64_t total = 0;
  const auto entries = kernel::cache_entries(options.cache_dir);
  for (const auto& entry : entries) total += entry.bytes;
  to_stdout("{} kernels. The cache holds {} in {} folders, at most {} (KTRIAL_CACHE_SIZE): {}\n",
            kernels.size(), human_size(total), entries.size(), human_size(bound),
            options.cache_dir.string());
  return 0;
}

std::vector<Companion> companions(const kernel::Kernel& kernel,
                                  const kernel::ResolveOptions& options) {
  const auto text = [](const std::optional<std::filesystem::path>& path) {
    return path ? path->string() : std::string();
  };
  const auto headers = kernel::find_build_directory(kernel, options);
  return {
      {"modules", text(kernel.modules_dir),
       "workloads that need a module cannot run unless it is built in"},
      {"config", text(kernel.config), "what a workload needs cannot be checked before the boot"},
      {"headers", headers ? headers->string() : std::string(),
       "no fault can be planted by a module: `ktrial selftest` skips most faults"}};
}

void print_kernel(const FetchedKernel& fetched) {
  const auto& [reference, kernel, companions] = fetched;
  to_stdout("{}\n  release   {} ({})\n  source    {}\n  image     {}\n  sha256    {}\n", reference,
            kernel.release, kernel.arch->name, kernel.source, kernel.image.string(), kernel.sha256);
  for (const Companion& one : companions)
    to_stdout("  {:<9} {}\n", one.name,
              one.path.empty() ? fmt::format("missing: {}", one.cost) : one.path);
  // Symbols are read out of the guest's memory; no file is needed.
  to_stdout("  symbols   from the running kernel's kallsyms\n");
}

Result<int> get(const KernelFlags& flags) {
  const StopOnSignal stop;
  const auto options = KTRIAL_TRY(options_of(flags, stop));
  std::vector<FetchedKernel> fetched;
  for (const std::string& text : flags.references) {
    const auto reference = KTRIAL_TRY(kernel::parse_reference(text));
    const auto kernel = KTRIAL_TRY(kernel::resolve(reference, options));
    fetched.push_back({text, kernel, companions(kernel, options)});
    if (flags.format == "text") print_kernel(fetched.back());
  }
  if (flags.format == "json") to_stdout("{}", results::dump(get_document(fetched)));
  return 0;
}

void add_list(CLI::App& parent, Action& action) {
  auto* command = parent.add_subcommand("list", "Debian's kernel packages, oldest first");
  auto flags = std::make_shared<KernelFlags>();
  command->add_option("PATTERN", flags->pattern,
                      "Package names, a glob [" + arch::native().kernel_packages + "]");
  command->add_flag("--cached", flags->cached, "Only what is in the cache; no network");
  command->add_option("--format", flags->format, "text or json [text]")
      ->check(CLI::IsMember({"text", "json"}));
  command->callback([&action, flags] { action = [flags] { return list(*flags); }; });
}

void add_get(CLI::App& parent, Action& action) {
  auto* command = parent.add_subcommand(
      "get", "Fetches kernels, shows what came with them and what is missing");
  auto flags = std::make_shared<KernelFlags>();
  command->add_option("KERNEL", flags->references, "As for `ktrial run --kernel`")->required();
  command->add_flag("--offline", flags->offline, "Download nothing");
  command->add_option("--format", flags->format, "text or json [text]")
      ->check(CLI::IsMember({"text", "json"}));
  command->callback([&action, flags] { action = [flags] { return get(*flags); }; });
}

struct BuildCommandFlags {
  BuildFlags build;
  std::string revision = "HEAD", format = "text";
};

Result<int> build(const BuildCommandFlags& flags) {
  const StopOnSignal stop;
  auto request = KTRIAL_TRY(build_request(flags.build));
  request.revision = flags.revision;
  request.stop = stop.token();
  BuildBar bar;
  request.progress = std::ref(bar);
  auto outcome = kernel::build_kernel(request);
  bar.done();
  const auto finished = KTRIAL_TRY(std::move(outcome));
  if (const auto* failed = std::get_if<kernel::BuildFailed>(&finished)) {
    to_stderr("ktrial: {} does not build:\n", failed->commit);
    for (const std::string& line : failed->errors) to_stderr("  {}\n", line);
    to_stderr("  the whole log: {}\n", failed->log.string());
    return 125;
  }
  const auto& built = std::get<kernel::Built>(finished);
  if (flags.format == "json") {
    to_stdout("{}", results::dump(build_document(built)));
    return 0;
  }
  to_stderr("ktrial: {} {}\n", built.commit,
            built.cached ? "was built before"
                         : fmt::format("built: {} objects in {} s", built.compiled,
                                       built.took.count() / 1000));
  to_stdout("{}\n", built.directory.string());
  return 0;
}

struct CheckFlags {
  std::string kernel, format = "text";
  std::vector<std::string> workloads;
  bool offline = false;
};

// The .config itself, or that of a kernel.
Result<std::filesystem::path> checked_config(const CheckFlags& flags) {
  const StopOnSignal stop;
  KernelFlags kernel_flags;
  kernel_flags.offline = flags.offline;
  const auto options = KTRIAL_TRY(options_of(kernel_flags, stop));
  const auto reference = KTRIAL_TRY(kernel::parse_reference(flags.kernel));
  if (const auto* file = std::get_if<kernel::ImageReference>(&reference))
    if (std::filesystem::is_regular_file(file->path) && kernel::read_config(file->path))
      return file->path;
  const auto kernel = KTRIAL_TRY(kernel::resolve(reference, options));
  if (!kernel.config)
    return usage_error(flags.kernel + ": no configuration came with this kernel",
                       "name its .config file instead");
  return *kernel.config;
}

Result<int> check(const CheckFlags& flags) {
  const auto config = KTRIAL_TRY(checked_config(flags));
  const auto payload = KTRIAL_TRY(trial::find_payload());
  std::vector<WorkloadLacks> lacks;
  bool complete = true;
  for (const auto& info : KTRIAL_TRY(spec::list_workloads(payload / "workloads"))) {
    if (!flags.workloads.empty() &&
        std::ranges::find(flags.workloads, info.name) == flags.workloads.end())
      continue;
    auto missing = KTRIAL_TRY(kernel::check_config(config, info.kconfig, info.name));
    complete = complete && missing.empty();
    if (flags.format == "text") {
      to_stdout("{:<16} {}\n", info.name, missing.empty() ? "ok" : "cannot run:");
      for (const auto& one : missing) to_stdout("  {}\n", kernel::describe(one));
    }
    lacks.emplace_back(info.name, std::move(missing));
  }
  for (const std::string& name : flags.workloads)
    KTRIAL_TRY(spec::find_workload(payload / "workloads", name));  // says what is near
  if (flags.format == "json")
    to_stdout("{}", results::dump(check_document(config.string(), lacks)));
  return complete ? 0 : 1;
}

void add_build(CLI::App& parent, Action& action) {
  auto* command =
      parent.add_subcommand("build", "Builds a commit of a git tree, prints where it is");
  auto flags = std::make_shared<BuildCommandFlags>();
  command->add_option("REV", flags->revision, "What git takes for a commit [HEAD]");
  add_build_options(*command, flags->build, "--jobs");
  command->get_option("--tree")->required();
  command->add_option("--format", flags->format, "text or json [text]")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(R"(Examples:
  ktrial kernel build --tree ~/linux v6.18
  ktrial kernel build --tree ~/linux --config kasan HEAD~3
  ktrial run --kernel $(ktrial kernel build --tree ~/linux)

Exit status: 0 built, 125 it does not compile, 128 and above as always.)");
  command->callback([&action, flags] { action = [flags] { return build(*flags); }; });
}

void add_check(CLI::App& parent, Action& action) {
  auto* command = parent.add_subcommand("check-config", "Which workloads a kernel's options allow");
  auto flags = std::make_shared<CheckFlags>();
  command->add_option("KERNEL", flags->kernel, "A .config file, or as for `ktrial run --kernel`")
      ->required();
  command->add_option("--workload", flags->workloads, "Only this one; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--offline", flags->offline, "Download nothing");
  command->add_option("--format", flags->format, "text or json [text]")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer("Exit status: 0 nothing is missing, 1 something is, 128 and above as always.");
  command->callback([&action, flags] { action = [flags] { return check(*flags); }; });
}

}  // namespace

void add_kernel(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("kernel", "Lists, fetches, builds and checks kernels");
  command->require_subcommand(1);
  add_list(*command, action);
  add_get(*command, action);
  add_build(*command, action);
  add_check(*command, action);
  command->footer(R"(Examples:
  ktrial kernel list 'linux-image-6.1*-cloud-amd64'   all versions that the archive still has
  ktrial kernel get deb:linux-image-cloud-amd64       what comes with it
  ktrial kernel build --tree ~/linux --config kasan v6.18
  ktrial kernel check-config ~/linux/.config          which workloads it allows)");
}

}  // namespace ktrial::cli
