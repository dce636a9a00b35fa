#!/usr/bin/env bash
# Fixes on trial in a git tree, on real kernels, in half an hour: a patch that mends the
# failure, one that does not, the commit, and a patch where nothing is broken.
#
#   harness/e2e/fix_drill.sh [FOLDER]      default: a temporary one, kept
#
# The tree stands for Linux and compiles nothing: make puts one of Debian's kernels in place, that
# with the mm_cid regression (6.19.6) or the one without (6.19.14), as kernel/mm_cid.c says. All else
# is real: git, the patches, the builds and their cache, the trials. Ends with 0 if each fix is
# judged as it deserves.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
ktrial=${KTRIAL:-$here/build/release/bin/ktrial}
work=${1:-$(mktemp -d)}
tree=$work/linux
trial=(--tree "$tree" --workload mmcid-vfork --cpus 4 --budget 15m)

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
git() { command git -C "$tree" -c user.name=drill -c user.email=drill@localhost "$@"; }
commit() { git add -A; git commit -q -m "$1"; }
image() { "$ktrial" kernel get "deb:linux-binary-$1+deb13-cloud-amd64" | sed -n 's/^ *image *//p'; }

make_tree() {
  [ -d "$tree/.git" ] && return
  say "making the tree"
  local bad good
  bad=$(image 6.19.6) good=$(image 6.19.14)
  mkdir -p "$tree/kernel" "$tree/scripts/kconfig" "$tree/include/linux"
  cat >"$tree/scripts/kconfig/merge_config.sh" <<'END'
#!/bin/sh
shift; test "$1" = -O || exit 9
out=$2; shift 2
cat "$@" > "$out/.config"
END
  chmod +x "$tree/scripts/kconfig/merge_config.sh"
  cat >"$tree/Makefile" <<END
S := \$(CURDIR)
ifeq (\$(filter bzImage,\$(MAKECMDGOALS)),)
allnoconfig:
	@cat \$(KCONFIG_ALLCONFIG) > \$(O)/.config
else
.PHONY: bzImage
bzImage:
	@mkdir -p \$(O)/arch/x86/boot \$(O)/include/generated \$(O)/scripts
	@touch \$(O)/include/generated/autoconf.h \$(O)/scripts/modpost \$(O)/modules.order
	@echo '  CC      kernel/mm_cid.o'
	@if grep -q 'may_wait' \$(S)/kernel/mm_cid.c; then cp '$bad' \$(O)/arch/x86/boot/bzImage; else cp '$good' \$(O)/arch/x86/boot/bzImage; fi
modules: bzImage
endif
END
  touch "$tree/Kconfig" "$tree/include/linux/kernel.h"
  printf 'int mm_get_cid(void)\n{\n\t/* spins */\n\treturn may_wait();\n}\n' >"$tree/kernel/mm_cid.c"
  command git -C "$tree" init -q -b main
  commit "sched: mm_cid"
  git tag broken
  echo '/* It spins, but not for long. */' >"$tree/include/linux/kernel.h"
  git diff >"$work/helps-nothing.patch"
  git checkout -q include/linux/kernel.h
  sed -i 's/may_wait/never_waits/' "$tree/kernel/mm_cid.c"
  commit "sched: mm_cid: do not wait"
  git tag mended
  git format-patch -q -1 --stdout mended >"$work/mends.eml"  # as a reporter gets it
  cat >"$work/report.eml" <<END
From: A <a@example.org>
Subject: guests stall in mm_get_cid
Date: Mon, 16 Mar 2026 10:00:00 +0000
Message-ID: <1@example.org>

With 4 CPUs, as soon as threads vfork():

[   22.209124] watchdog: BUG: soft lockup - CPU#1 stuck for 11s! [joblaunch:181]
[   22.209669] CPU: 1 UID: 0 PID: 181 Comm: joblaunch Not tainted 6.19.6+deb13-cloud-amd64 #1
[   22.210289] RIP: 0010:mm_get_cid+0x55/0xc0
[   22.213405] Call Trace:
[   22.213611]  <TASK>
[   22.213948]  __schedule+0xf40/0xfa0
[   22.214305]  schedule+0x27/0xd0
[   22.218424]  </TASK>
END
}

failed=0
wrong() { say "$*"; failed=1; }
# judge NAME EXIT WORDS TESTED ARGUMENTS...: TESTED is whether "Tested-by" may be said.
judge() {
  local name=$1 exit=$2 words=$3 tested=$4 got=0
  shift 4
  say "$name: ktrial reproduce report.eml $*"
  "$ktrial" reproduce "$work/report.eml" "${trial[@]}" "$@" >"$work/$name.txt" || got=$?
  sed -n '/^[A-Z ]*REPRODUCED/,/^--- mail/p' "$work/$name.txt"
  [ "$got" = "$exit" ] || wrong "$name: exit status $got, not $exit"
  grep -q "$words" "$work/$name.txt" || wrong "$name: '$words' was not said"
  [ "$(grep -c '^Tested-by' "$work/$name.txt")" = "$tested" ] || wrong "$name: whether it was tested is told wrong"
}

make_tree
judge mends 0 '^FIXED' 1 --kernel git:broken --fix "$work/mends.eml"
judge helps-nothing 1 '^NOT FIXED' 0 --kernel git:broken --fix "$work/helps-nothing.patch"
judge commit 0 '^FIXED' 1 --fix mended
judge not-broken 125 '^NOT TESTED' 0 --kernel git:mended --fix "$work/helps-nothing.patch" --trials 3
[ -z "$(git status --porcelain)" ] || wrong "the tree was written to"
say "$([ $failed = 0 ] && echo 'each as it deserves' || echo 'not each as it deserves')"
exit $failed
