#!/usr/bin/env bash
# A bisection of a real git history of Linux, from nothing: some GiB of disk, half an
# hour on two cores.
#
#   harness/e2e/git_bisect_drill.sh [FOLDER]      default: a temporary one, kept
#
# Makes a history of 40 commits with two merges out of Debian's linux-source: one commit
# does not build, three carry a WARN of their own, and one plants a stall that shows in
# about one run of three. Then bisects it, killed once on the way and resumed. Ends
# with 0 if the right commit was found with fewer than ten builds.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
ktrial=${KTRIAL:-$here/build/release/bin/ktrial}
work=${1:-$(mktemp -d)}
tree=$work/linux
drill=lib/ktrial_drill.c

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
git() { command git -C "$tree" -c user.name=drill -c user.email=drill@localhost -c gc.auto=0 "$@"; }

unpack_source() {
  [ -d "$tree/.git" ] && return
  say "unpacking Debian's linux-source below $work"
  mkdir -p "$work/deb" "$tree"
  (cd "$work/deb" && apt-get download -q linux-source-6.1 && dpkg-deb -x linux-source-6.1_*.deb .)
  tar -C "$tree" --strip-components=1 -xf "$work"/deb/usr/src/linux-source-6.1.tar.xz
  rm -r "$work/deb"
  # Debian's own ignores everything.
  sed -i '\|^/\*$|,$d' "$tree/.gitignore"
  printf 'obj-y += ktrial_drill.o\n' >>"$tree/lib/Makefile"
  command git -C "$tree" init -q -b main
}

# write VERSION STALL WARN EXTRA: the file that all commits touch.
write() {
  cat >"$tree/$drill" <<EOF
// A part of Linux that changes with every commit of this history.
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/random.h>

static const int drill_version = $1;
$4

static int drill_stall(void *unused)
{
	ssleep(2);
	preempt_disable();
	for (;;)
		cpu_relax();
	return 0;
}

static int __init drill_init(void)
{
	pr_info("drill: version %d\n", drill_version);
	WARN($3 && get_random_u32() % 2, "drill: not the one that is looked for");
	if ($2 && get_random_u32() % 3 == 0)
		kthread_run(drill_stall, NULL, "drill");
	return 0;
}
late_initcall(drill_init);
EOF
}

commit() { git add -A; git commit -q -m "$1"; }

make_history() {
  git rev-parse -q --verify end >/dev/null && return
  say "making the history"
  local i stall=0 warn extra
  write 0 0 0 ""
  commit "base"
  git tag start
  for i in $(seq 1 36); do
    warn=0 extra="" subject="drill: version $i"
    [ "$i" -ge 23 ] && stall=1
    if [ "$i" = 23 ]; then subject="drill: start a helper thread"; fi
    if [ "$i" -ge 8 ] && [ "$i" -le 10 ]; then warn=1; fi
    if [ "$i" = 20 ]; then extra="this does not build"; subject="drill: a typing mistake"; fi
    write "$i" "$stall" "$warn" "$extra"
    commit "$subject"
    [ "$i" = 23 ] && git tag culprit
    # Side branches that touch something else, merged a little later.
    case $i in 5 | 25) git branch "side$i" ;; esac
    case $i in
      12 | 30)
        local side=side$((i == 12 ? 5 : 25)) n
        git checkout -q "$side"
        for n in 1 2; do
          printf '// %s %s\n' "$side" "$n" >>"$tree/lib/ctype.c"
          commit "lib: $side, step $n"
        done
        git checkout -q main
        git merge -q --no-ff -m "Merge branch '$side'" "$side"
        ;;
    esac
  done
  git tag end
}

# How many lines of a kind the session's log has.
events() { sed -n "/^$1 /p" "$2/bisect.log" 2>/dev/null | wc -l; }

bisect() {
  local state=$work/session
  rm -rf "$state"
  local command=("$ktrial" bisect --tree "$tree" --good start --bad end --workload fork-storm
    --duration 8s --memory 512M --state "$state" --verbose)
  say "${command[*]}"
  "${command[@]}" &
  local pid=$!
  # Killed, not asked to stop, once there is something to lose.
  until [ "$(events run "$state")" -ge 8 ] || ! kill -0 $pid 2>/dev/null; do sleep 1; done
  kill -KILL $pid 2>/dev/null || true
  wait $pid || true
  say "killed after $(events run "$state") runs; resuming"
  "$ktrial" bisect --resume "$state" | tee "$work/answer.txt"
}

unpack_source
make_history
bisect
say "the culprit is $(git rev-parse --short=12 culprit), of $(git rev-list --count start..end) commits"
grep -q "first bad *$(git rev-parse --short=12 culprit)" "$work/answer.txt"
builds=$(events built "$work/session")
say "found with $builds builds and $(events run "$work/session") runs"
[ "$builds" -lt 10 ]
