#!/bin/sh
# Text that speaks of kernels and is no kernel's: `ktrial analyze` must find no report in it.
#
#     harness/dev/ci/no_false_alarms.sh build/release/bin/ktrial [FILE|FOLDER]...
#
# The project's documents and history, what the distribution's packages document, and whatever else
# is named: logs of healthy boots, KTAP of healthy runs.
set -eu
ktrial=$1
shift
root=$(cd "$(dirname "$0")/../../.." && pwd)
failed=0
quiet() {
  found=$("$ktrial" analyze --summary "$@")  # a document may well show a test that fails
  case $found in
    "0 reports "*) echo "no report: $*" ;;
    *) printf 'false alarm: %s\n%s\n' "$*" "$found" >&2; failed=1 ;;
  esac
}
history=$(mktemp)
trap 'rm -f "$history"' EXIT
if git -C "$root" log --stat -p -- docs README.md CONTRIBUTING.md > "$history"; then
  git -C "$root" log >> "$history"
  quiet "$history"
fi
# A check that finds nothing must be able to.
printf '[    1.000000] WARNING: CPU: 0 PID: 1 at a/b.c:1 f+0x1/0x2\n' > "$history"
if "$ktrial" analyze --exit-code "$history" > /dev/null; then
  echo "a report was not found: this check proves nothing" >&2
  exit 1
fi
quiet "$root/docs" "$root/README.md" "$root/CONTRIBUTING.md"
quiet /usr/share/doc
for more in "$@"; do quiet "$more"; done
exit $failed
