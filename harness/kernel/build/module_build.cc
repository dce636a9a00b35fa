#include "harness/kernel/build/module_build.h"

#include <algorithm>
#include <chrono>
#include <sstream>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/kernel/deb/headers.h"
#include "harness/kernel/deb/sources.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/lock.h"
#include "harness/spec/timeouts.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

struct Compiler {
  std::string program;
  std::string version;  // first line of --version
  std::string note;     // how it differs from the kernel's own
  // What of the kernel's configuration it cannot do, switched off ("CONFIG_X=").
  std::vector<std::string> less;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14) 12.2.0", without the quotes.
std::string kernel_compiler(const std::string& config) {
  static constexpr std::string_view kKey = "CONFIG_CC_VERSION_TEXT=\"";
  const std::size_t at = config.find(kKey);
  if (at == std::string::npos) return "";
  const std::size_t from = at + kKey.size();
  return config.substr(from, config.find('"', from) - from);
}

// The kernel was configured for its own compiler; of what Kbuild takes from there without
// asking the compiler at hand, this is new in gcc 14. Kbuild then falls back to
// -falign-functions.
Status find_less(Compiler& compiler, const std::string& config, const ResolveOptions& options) {
  static constexpr char kOption[] = "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=";
  if (!config.contains(kOption)) return {};
  const auto tried = KTRIAL_TRY(
      run_command({compiler.program, "-fmin-function-alignment=16", "-E", "-x", "c", "/dev/null"},
                  {.stop = options.stop}));
  if (!tried.ok()) compiler.less.push_back(kOption);
  return {};
}

// The kernel's own compiler if it is here (gcc-12), else the plain one (gcc).
Result<Compiler> find_compiler(const fs::path& build_directory, const ResolveOptions& options) {
  const std::string config = read_file(build_directory / ".config").value_or("");
  const std::string theirs = kernel_compiler(config);
  const std::string exact = theirs.substr(0, theirs.find(' '));
  const std::string family = theirs.find("clang") != std::string::npos ? "clang" : "gcc";
  Compiler compiler;
  for (const std::string& candidate : {exact, family})
    if (compiler.program.empty() && !candidate.empty() &&
        candidate.find('/') == std::string::npos && find_program(candidate))
      compiler.program = candidate;
  if (compiler.program.empty())
    return fail(ErrorKind::environment, "no " + family + " to build a kernel module with",
                "apt-get install " + family + " make");
  const auto output =
      KTRIAL_TRY(run_command({compiler.program, "--version"}, {.stop = options.stop}));
  compiler.version = first_line(output.out);
  if (!theirs.empty() && theirs != compiler.version)
    compiler.note = "built with " + compiler.version + ", the kernel with " + theirs;
  KTRIAL_TRY(find_less(compiler, config, options));
  return compiler;
}

// Names and contents of the source folder's files, in order.
Result<std::string> digest_of(const fs::path& source) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(source, error))
    if (entry.is_regular_file()) files.push_back(entry.path());
  if (error) return fail_errno("read " + source.string(), error.value());
  std::ranges::sort(files);
  std::string all;
  for (const fs::path& file : files)
    all += file.filename().string() + ":" + KTRIAL_TRY(sha256_file(file)) + "\n";
  return sha256(all);
}

// What a person needs of make's output: the errors, else its end.
std::string complaint(const CommandOutput& output) {
  std::istringstream lines(output.err.empty() ? output.out : output.err);
  std::string errors, last;
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool is_error = line.find("rror:") != std::string::npos ||
                          line.find("ERROR") != std::string::npos ||
                          line.find("not found") != std::string::npos;
    if (is_error && ++count <= 3) errors += (errors.empty() ? "" : "; ") + line;
    if (!line.empty()) last = line;
  }
  return errors.empty() ? last : errors;
}

Status make_module(const fs::path& build_directory, const Compiler& compiler,
                   const fs::path& workspace, const ResolveOptions& options) {
  std::vector<std::string> argv = {
      "make", "-s", "-C", build_directory.string(), "M=" + workspace.string(),
      "CC=" + compiler.program,
      // BTF for modules needs pahole and the kernel's vmlinux; nobody reads ours.
      "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"};
  argv.insert(argv.end() - 1, compiler.less.begin(), compiler.less.end());
  if (compiler.program.starts_with("clang")) argv.insert(argv.end() - 1, "LLVM=1");
  auto output = run_command(
      argv, {.timeout = spec::host_wait(spec::HostWait::module_build), .stop = options.stop});
  if (!output) {
    if (output.error().kind == ErrorKind::interrupted) return std::unexpected(output.error());
    return fail(ErrorKind::environment, output.error().message, "apt-get install make gcc");
  }
  if (output->ok()) return {};
  return fail(ErrorKind::environment,
              "make in " + build_directory.string() + ": " + complaint(*output),
              "a build tree needs `make modules_prepare` and its Module.symvers");
}

// Paths below a kernel's sources, one a line; none without the file.
std::vector<std::string> listed_sources(const fs::path& source) {
  std::vector<std::string> out;
  std::istringstream lines(read_file(source / "from-kernel").value_or(""));
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) out.push_back(line);
  return out;
}

Status copy_sources(const Kernel& kernel, const fs::path& source, const fs::path& build_directory,
                    const fs::path& to, const ResolveOptions& options) {
  const std::vector<std::string> wanted = listed_sources(source);
  if (wanted.empty()) return {};
  const fs::path sources = KTRIAL_TRY(find_sources(kernel, build_directory, options));
  for (const std::string& file : wanted) {
    std::error_code error;
    const fs::path copy = to / fs::path(file).lexically_relative("kernel");
    fs::create_directories(copy.parent_path(), error);
    if (!fs::exists(sources / file))
      return fail(ErrorKind::environment, (sources / file).string() + ": there is no such file",
                  "this kernel has no such source");
    KTRIAL_TRY(replace_with_copy(sources / file, copy));
  }
  return {};
}

Status build_into(const fs::path& to, const Kernel& kernel, const fs::path& build_directory,
                  const Compiler& compiler, const fs::path& source, const std::string& name,
                  const ResolveOptions& options) {
  // A folder of our own: the build writes beside the source.
  const TempDir workspace = KTRIAL_TRY(TempDir::create("ktrial-module"));
  std::error_code error;
  fs::copy(source, workspace.path(), error);
  if (error) return fail_errno("copy " + source.string(), error.value());
  KTRIAL_TRY(copy_sources(kernel, source, build_directory, workspace.path(), options));
  KTRIAL_TRY(make_module(build_directory, compiler, workspace.path(), options));
  for (const auto& entry : fs::recursive_directory_iterator(workspace.path(), error))
    if (entry.path().filename() == name + ".ko")
      return write_file_atomically(to, KTRIAL_TRY(read_file(entry.path())));
  return fail(ErrorKind::environment,
              "make in " + build_directory.string() + " made no " + name + ".ko");
}

}  // namespace

Result<BuiltModule> build_module(const Kernel& kernel, const fs::path& source,
                                 const std::string& name, const ResolveOptions& options) {
  const fs::path build_directory = KTRIAL_TRY(find_build_directory(kernel, options));
  const Compiler compiler = KTRIAL_TRY(find_compiler(build_directory, options));
  const std::string key = sha256(KTRIAL_TRY(digest_of(source)) + kernel.sha256 + kernel.release +
                                 build_directory.string() + compiler.version);
  const fs::path parent = fs::absolute(options.cache_dir) / "modules";
  const BuiltModule built{parent / (name + "-" + kernel.release + "-" + key.substr(0, 16) + ".ko"),
                          compiler.note};
  std::error_code error;
  fs::create_directories(parent, error);
  if (error) return fail_errno("create " + parent.string(), error.value());
  const FileLock lock = KTRIAL_TRY(FileLock::acquire(parent / (name + ".lock"), options.stop));
  if (fs::exists(built.file, error)) return built;
  if (options.progress) options.progress("building " + name + ".ko for " + kernel.release);
  KTRIAL_TRY(build_into(built.file, kernel, build_directory, compiler, source, name, options));
  return built;
}

}  // namespace ktrial::kernel
