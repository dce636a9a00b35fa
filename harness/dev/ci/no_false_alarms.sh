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
  if found=$("$ktrial" analyze --exit-code --summary "$@"); then
    echo "no report: $*"
  else
    printf 'false alarm: %s\n%s\n' "$*" "$found" >&2
    failed=1
  fi
}
history=$(mktemp)
trap 'rm -f "$history"' EXIT
git -C "$root" log --stat -p -- docs README.md CONTRIBUTING.md > "$history"
git -C "$root" log >> "$history"
quiet "$history"
quiet "$root/docs" "$root/README.md" "$root/CONTRIBUTING.md"
quiet /usr/share/doc
for more in "$@"; do quiet "$more"; done
exit $failed
