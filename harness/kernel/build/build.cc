#include "harness/kernel/build/build.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "harness/arch/arch.h"
#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/host_cpus.h"
#include "harness/kernel/build/build_keep.h"
#include "harness/kernel/build/build_make.h"
#include "harness/kernel/build/git_tree.h"
#include "harness/kernel/build/kconfig_make.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/lock.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {
using Clock = std::chrono::steady_clock;

// Part of every key: raise it when the way of building changes the outcome.
constexpr std::string_view kRecipe = "1";
constexpr const char* kTools[] = {"make", "flex", "bison", "bc", "ld"};
constexpr const char* kToolPackages =
    "apt-get install bc binutils bison flex gcc libelf-dev libssl-dev make";

Status create(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail_errno("create " + directory.string(), error.value());
  return {};
}

unsigned read_number(const fs::path& file) {
  const std::string text = read_file(file, 64).value_or("");
  unsigned number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "  CC      kernel/fork.o", "  CC [M]  fs/fuse/dir.o": the object; else empty.
std::string_view compiled_object(std::string_view line) {
  if (!line.starts_with("  ") || line.size() < 4 ||
      std::isupper(static_cast<unsigned char>(line[2])) == 0)
    return {};
  const std::size_t at = line.rfind(' ');
  const std::string_view object = line.substr(at + 1);
  return object.ends_with(".o") || object.ends_with(".a") ? object : std::string_view();
}

class Build {
 public:
  Build(const BuildRequest& request, GitTree tree) : request_(request), git_(std::move(tree)) {}

  // The way of a build, from the revision to the cache's entry.
  Result<BuildOutcome> run() {
    KTRIAL_TRY(git_.refuse_dirty(request_.revision));
    commit_ = KTRIAL_TRY(git_.commit(request_.revision));
    compiler_version_ = KTRIAL_TRY(compiler_version());
    const std::string tree_hash = KTRIAL_TRY(git_.tree_hash(commit_));
    KTRIAL_TRY(name_places(tree_hash));
    if (has_path(entry_)) return done(true);
    for (const fs::path& used : {objects_, source_})
      if (has_path(used)) mark_used(used);

    KTRIAL_TRY(create(log_.parent_path()));
    KTRIAL_TRY(create(objects_.parent_path()));
    KTRIAL_TRY(create(source_.parent_path()));
    lock_.emplace(KTRIAL_TRY(FileLock::acquire(source_.string() + ".lock", request_.stop)));
    if (has_path(entry_)) return done(true);  // whoever had the lock built it
    KTRIAL_TRY(require_tools());
    tell("sources");
    KTRIAL_TRY(git_.export_to(source_, commit_));
    KTRIAL_TRY(open_objects());
    tell("configuration");
    KTRIAL_TRY(configure());
    if (auto failed = KTRIAL_TRY(compile())) return std::move(*failed);
    tell("keep");
    KTRIAL_TRY(keep());
    return done(false);
  }

 private:
  Result<std::string> compiler_version() const {
    if (!find_program(request_.compiler))
      return fail(ErrorKind::environment, "the compiler " + request_.compiler + " is not installed",
                  kToolPackages);
    const auto output =
        KTRIAL_TRY(run_command({request_.compiler, "--version"}, {.stop = request_.stop}));
    if (output.ok()) return output.out.substr(0, output.out.find('\n'));
    return fail(ErrorKind::environment, request_.compiler + " --version failed", kToolPackages);
  }

  Status require_tools() const {
    std::string missing;
    for (const char* tool : kTools)
      if (!find_program(tool)) missing += std::string(missing.empty() ? "" : ", ") + tool;
    if (missing.empty()) return {};
    return fail(ErrorKind::environment, "to build a kernel is missing: " + missing, kToolPackages);
  }

  Status name_places(const std::string& tree_hash) {
    std::string config;
    for (const fs::path& fragment : request_.fragments)
      config += KTRIAL_TRY(read_file(fragment)) + "\n";
    if (request_.base_config) config += "base\n" + KTRIAL_TRY(read_file(*request_.base_config));
    const std::string config_key =
        sha256(std::string(kRecipe) + "\n" + compiler_version_ + "\n" + config);
    const std::string repository = sha256(git_.objects().string()).substr(0, 16);
    const std::string key = sha256(tree_hash + config_key).substr(0, 32);
    const fs::path root = fs::absolute(request_.cache_dir) / "build";
    entry_ = root / key;
    log_ = root / "log" / (key + ".log");
    objects_ = root / "objects" / (repository + "-" + config_key.substr(0, 16));
    source_ = fs::absolute(request_.cache_dir) / "sources" / repository;
    return {};
  }

  // A build that was killed without a chance to clean up may have left half an
  // object behind that make takes for a whole one.
  Status open_objects() {
    std::error_code error;
    if (has_path(marker())) fs::remove_all(objects_, error);
    if (error) return fail_errno("remove " + objects_.string(), error.value());
    from_scratch_ = !has_path(objects_ / ".config");
    expected_ = read_number(count_file());
    KTRIAL_TRY(create(objects_));
    fs::remove(log_, error);
    return write_file_atomically(marker(), commit_ + "\n");
  }
  fs::path marker() const { return objects_.string() + ".unfinished"; }
  fs::path count_file() const {
    return objects_.string() + (from_scratch_ ? ".count" : ".last-count");
  }
  void close_objects() const {
    std::error_code error;
    fs::remove(marker(), error);
  }

  std::vector<std::string> make_arguments() const {
    const bool clang = request_.compiler.find("clang") != std::string::npos;
    const std::string ccache = find_program("ccache") ? "ccache " : "";
    std::vector<std::string> arguments = {
        "CC=" + ccache + request_.compiler, "HOSTCC=" + ccache + request_.compiler,
        // The same sources make the same kernel, whoever builds it and when.
        "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970", "KBUILD_BUILD_USER=ktrial",
        "KBUILD_BUILD_HOST=ktrial", "KBUILD_BUILD_VERSION=1",
        // uname -r names the commit.
        "LOCALVERSION=-g" + commit_.substr(0, 12)};
    if (clang) arguments.push_back("LLVM=1");
    return arguments;
  }

  Status configure() {
    const Status made = make_config({.source = source_,
                                     .objects = objects_,
                                     .fragments = request_.fragments,
                                     .base = request_.base_config,
                                     .make_arguments = make_arguments(),
                                     .log = log_,
                                     .stop = request_.stop,
                                     .inherit = lock_->fd()});
    if (!made) close_objects();
    return made;
  }

  Result<std::optional<BuildFailed>> compile() {
    const unsigned jobs = request_.jobs != 0 ? request_.jobs : static_cast<unsigned>(host_cpus());
    std::vector<std::string> arguments = {"-C", source_.string(), "O=" + objects_.string(),
                                          "-j" + std::to_string(jobs)};
    for (std::string& argument : make_arguments()) arguments.push_back(std::move(argument));
    arguments.insert(arguments.end(), {arch::native().make_image, "modules"});
    auto made = run_make({.arguments = arguments,
                          .log = log_,
                          .objects = objects_,
                          .on_line = [this](std::string_view line) { count(line); },
                          .stop = request_.stop,
                          .inherit = lock_->fd()});
    if (!made) return std::unexpected(std::move(made).error());
    if (!made->killed) close_objects();
    if (made->stopped)
      return fail(ErrorKind::interrupted, "the build was interrupted",
                  "what is compiled is kept: the next build goes on from there");
    if (made->ok) {
      KTRIAL_TRY(write_file_atomically(count_file(), std::to_string(compiled_) + "\n"));
      return std::nullopt;
    }
    if (Error trouble = host_trouble(made->tail); !trouble.message.empty())
      return std::unexpected(std::move(trouble).in("build of " + commit_.substr(0, 12)));
    return BuildFailed{commit_, log_, error_lines(made->tail)};
  }

  void count(std::string_view line) {
    const std::string_view object = compiled_object(line);
    if (object.empty()) return;
    ++compiled_;
    tell("compile", object);
  }

  Status keep() {
    Status kept = make_entry(
        entry_, [&](const fs::path& folder) { return keep_build(source_, objects_, folder); });
    std::error_code error;
    fs::remove(log_, error);
    return kept;
  }

  void tell(std::string_view step, std::string_view detail = {}) const {
    if (!request_.progress) return;
    const auto elapsed = Clock::now() - begun_;
    BuildProgress progress{.step = step,
                           .detail = detail,
                           .done = compiled_,
                           .expected = std::max(expected_, expected_ == 0 ? 0 : compiled_),
                           .elapsed = std::chrono::floor<std::chrono::seconds>(elapsed)};
    if (expected_ != 0 && compiled_ != 0)
      progress.left = std::chrono::ceil<std::chrono::seconds>(
          elapsed * (progress.expected - compiled_) / compiled_);
    request_.progress(progress);
  }

  BuildOutcome done(bool cached) const {
    mark_used(entry_);
    return Built{entry_, commit_, cached, compiled_,
                 std::chrono::floor<std::chrono::milliseconds>(Clock::now() - begun_)};
  }

  const BuildRequest& request_;
  const GitTree git_;
  const Clock::time_point begun_ = Clock::now();
  std::string commit_, compiler_version_;
  fs::path entry_, log_, objects_, source_;
  std::optional<FileLock> lock_;
  bool from_scratch_ = true;
  unsigned compiled_ = 0, expected_ = 0;
};

}  // namespace

Result<BuildOutcome> build_kernel(const BuildRequest& request) {
  try {
    GitTree tree = KTRIAL_TRY(GitTree::open(request.tree, request.stop));
    return Build(request, std::move(tree)).run();
  } catch (const std::exception& e) {  // std::filesystem throws where it has no error_code form
    return fail(ErrorKind::environment, e.what());
  }
}

}  // namespace ktrial::kernel
