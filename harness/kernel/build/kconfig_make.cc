#include "harness/kernel/build/kconfig_make.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "harness/arch/arch.h"
#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/kernel/build/build_make.h"
#include "harness/kernel/build/kconfig.h"
#include "harness/kernel/build/kconfig_tree.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxNamed = 12;  // ungranted options in one message

// Returns the merged file; make has not seen it yet.
Result<fs::path> merge(const ConfigRequest& request) {
  const fs::path script = request.source / "scripts/kconfig/merge_config.sh";
  std::error_code error;
  if (!fs::exists(script, error))
    return usage_error(request.source.string() + " is no source tree of Linux (no " +
                           "scripts/kconfig/merge_config.sh)",
                       "name a tree of Linux");
  const fs::path directory = request.objects / ".ktrial-config";
  fs::create_directories(directory, error);
  if (error) return fail_errno("create " + directory.string(), error.value());
  std::vector<std::string> argv = {"sh", script.string(), "-m", "-O", directory.string()};
  if (request.base) argv.push_back(request.base->string());
  for (const fs::path& fragment : request.fragments) argv.push_back(fragment.string());
  const auto output =
      KTRIAL_TRY(run_command(argv, {.directory = request.source, .stop = request.stop}));
  if (output.ok()) return directory / ".config";
  if (Error trouble = host_trouble(output.err); !trouble.message.empty())
    return std::unexpected(trouble);
  return fail(
      ErrorKind::environment,
      "merge_config.sh: " + error_lines(output.err.empty() ? output.out : output.err, 1)[0]);
}

Status let_make_decide(const ConfigRequest& request, const fs::path& merged) {
  std::vector<std::string> arguments = {"-C", request.source.string(),
                                        "O=" + request.objects.string()};
  arguments.insert(arguments.end(), request.make_arguments.begin(), request.make_arguments.end());
  if (request.base) {
    KTRIAL_TRY(replace_with_copy(merged, request.objects / ".config"));
    arguments.push_back("olddefconfig");
  } else {
    arguments.push_back("KCONFIG_ALLCONFIG=" + merged.string());
    arguments.push_back("allnoconfig");
  }
  const auto made = KTRIAL_TRY(run_make({.arguments = arguments,
                                         .log = request.log,
                                         .objects = request.objects,
                                         .stop = request.stop,
                                         .inherit = request.inherit}));
  if (made.ok) return {};
  if (made.stopped) return fail(ErrorKind::interrupted, "the configuration was interrupted");
  if (Error trouble = host_trouble(made.tail); !trouble.message.empty())
    return std::unexpected(trouble);
  std::string lines;
  for (const std::string& line : error_lines(made.tail, 3)) lines += "\n  " + line;
  return fail(ErrorKind::environment, "make " + arguments.back() + " " + made.status + lines,
              "see " + request.log.string());
}

Status verify(const ConfigRequest& request) {
  std::vector<WantedOption> wanted;
  for (const fs::path& fragment : request.fragments) {
    auto options = KTRIAL_TRY(read_fragment(fragment));
    std::ranges::move(options, std::back_inserter(wanted));
  }
  const Config config = KTRIAL_TRY(read_config(request.objects / ".config"));
  auto missing = missing_options(config, wanted);
  if (missing.empty()) return {};
  std::set<std::string> symbols;
  for (const MissingOption& option : missing) symbols.insert(option.wanted.symbol);
  missing = explain(std::move(missing), config,
                    KTRIAL_TRY(find_options(request.source, arch::native().kernel, symbols)));
  if (missing.empty()) return {};
  std::string message = "the kernel does not grant what was asked for:";
  for (std::size_t i = 0; i < std::min(missing.size(), kMaxNamed); ++i)
    message += "\n  " + describe(missing[i]);
  if (missing.size() > kMaxNamed)
    message += "\n  and " + std::to_string(missing.size() - kMaxNamed) + " more";
  return usage_error(
      message,
      "ask for what it needs as well, drop it, or write \"# ktrial: if known\" above "
      "an option that not every kernel has");
}

}  // namespace

Status make_config(const ConfigRequest& request) {
  const fs::path merged = KTRIAL_TRY(merge(request));
  KTRIAL_TRY(let_make_decide(request, merged));
  return verify(request);
}

}  // namespace ktrial::kernel
