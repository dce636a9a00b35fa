#include "harness/kernel/build/build_testing.h"

#include <gtest/gtest.h>

#include "harness/base/command.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel::testing {
namespace fs = std::filesystem;
namespace {

// What the kernel's script does for us, without its warnings.
constexpr char kMergeConfig[] = R"(#!/bin/sh
shift; test "$1" = -O || exit 9
out=$2; shift 2
cat "$@" > "$out/.config"
)";

// Grants CONFIG_A and what FRAGMENTS ask for but CONFIG_REFUSED; "compiles" each
// kernel/*.c by the recipe in kernel/recipe.
constexpr char kMakefile[] = R"(
S := $(CURDIR)
ifeq ($(filter bzImage,$(MAKECMDGOALS)),)
allnoconfig:
	@grep -v REFUSED $(KCONFIG_ALLCONFIG) > $(O)/.config || true
else
objects := $(patsubst $(S)/%.c,$(O)/%.o,$(wildcard $(S)/kernel/*.c))
bzImage: $(objects)
	@mkdir -p $(O)/arch/x86/boot $(O)/include/generated $(O)/scripts
	@echo '#define A 1' > $(O)/include/generated/autoconf.h
	@touch $(O)/scripts/modpost $(O)/modules.order
	@cat $(objects) > $(O)/arch/x86/boot/bzImage
modules: bzImage
$(O)/kernel/%.o: $(S)/kernel/%.c
	@mkdir -p $(O)/kernel
	@echo '  CC      kernel/$*.o'
	@sh $(S)/kernel/recipe $< $@
endif
)";

}  // namespace

FakeLinux::FakeLinux() {
  write(tree() / "Makefile", kMakefile);
  write(tree() / "scripts/kconfig/merge_config.sh", kMergeConfig);
  write(tree() / "include/linux/kernel.h", "");
  write(tree() / "Kconfig",
        "config A\n\tbool \"a\"\nconfig REFUSED\n\tbool \"r\"\n\tdepends on NEVER\n");
  write(tree() / "kernel/fork.c", "fork");
  write(tree() / "kernel/exit.c", "exit");
  object_recipe("cp $1 $2");
  git({"init", "--quiet", "--initial-branch=main"});
  commit("first");
}

std::string FakeLinux::git(const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv = {
      "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgSign=false"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  auto output = run_command(argv, {.directory = tree()});
  EXPECT_TRUE(output && output->ok()) << arguments[0] << ": " << (output ? output->err : "");
  if (!output) return "";
  while (output->out.ends_with('\n')) output->out.pop_back();
  return output->out;
}

std::string FakeLinux::commit(const std::string& subject) {
  git({"add", "--all"});
  git({"commit", "--quiet", "--allow-empty", "-m", subject});
  return git({"rev-parse", "HEAD"});
}

void FakeLinux::object_recipe(const std::string& recipe) const {
  write(tree() / "kernel/recipe", recipe + "\n");
}

fs::path FakeLinux::fragment(const std::string& lines) const {
  write(root() / "test.config", lines);
  return root() / "test.config";
}

BuildRequest FakeLinux::request(const std::string& revision) const {
  return {.tree = tree(),
          .revision = revision,
          .fragments = {fragment("CONFIG_A=y\n")},
          .jobs = 1,
          .cache_dir = cache()};
}

}  // namespace ktrial::kernel::testing
