#!/usr/bin/env bash
# From a bare Debian 12 to a verdict.
#
#   ./bootstrap.sh run    install packages, build, put the distribution's cloud kernel on trial
#   ./bootstrap.sh test   install packages, build, run all tests
#   ./bootstrap.sh build  install packages, build build/release/bin/ktrial
#
# Needs root or sudo only to install packages; with all of them present it
# needs neither. Safe to repeat.
set -euo pipefail
cd "$(dirname "$0")"

packages=(
  # tools
  ca-certificates ccache cmake g++ git make ninja-build pkg-config python3 qemu-system-x86
  # libraries; docs/dependencies.md says what each is for
  libarchive-dev libelf1 libboost1.81-dev libcli11-dev libfmt-dev libgmock-dev libgtest-dev
  libhyperscan-dev libre2-dev libsqlite3-dev libssl-dev libtomlplusplus-dev libtraceevent-dev
  libvirt-dev nlohmann-json3-dev
)
# clang for the fuzzers; makedumpfile reads our core files, trace-cmd our traces; a build of
# (imitated) kernels asks for bc, bison and flex; libvirtd is started by the tests, in a private
# folder (these packages bring no service: the system has no libvirtd running because of them)
test_packages=(bc bison clang-19 flex libclang-rt-19-dev libvirt-daemon libvirt-daemon-driver-qemu
  makedumpfile python3-jsonschema trace-cmd)

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'bootstrap.sh: %s\n' "$*" >&2; exit 128; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    die "packages are missing and neither root nor sudo is at hand; as root: $*"
  fi
}

installed() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

install_packages() {
  local missing=() package
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return
  say "installing: ${missing[*]}"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# vhost-device-vsock is packaged for later Debian releases only, and needs no
# more than Debian 12's libc. It is optional: without it the vhost-user-vsock
# channel is refused with a reason. The suite goes into a private apt
# configuration; the system's is left alone.
install_vsock_daemon() {
  command -v vhost-device-vsock >/dev/null && return
  local work mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep '/debian/\?$' | sort -u | head -n 1)
  work=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" RETURN
  mkdir -p "$work"/{lists,cache}/partial "$work/cache/archives/partial"
  chmod 755 "$work"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-none} sid main" >"$work/sources.list"
  cat >"$work/apt.conf" <<EOF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "$(id -un)";
EOF
  say "installing the optional vhost-device-vsock"
  if (cd "$work" && export APT_CONFIG="$work/apt.conf" && apt-get update -q >&2 \
      && apt-get download -q vhost-device-vsock >&2) && as_root dpkg -i "$work"/vhost-device-vsock_*.deb >&2; then
    return
  fi
  say "vhost-device-vsock could not be installed; trials will use the virtio-serial channel"
}

# `program` is what a user runs; `all` has the tests too.
build() {
  say "building build/release/bin/ktrial"
  cmake --preset release >/dev/null
  cmake --build --preset release --target "$1"
}

run_tests() {
  say "building the fuzz targets"
  cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz --target fuzzers
  say "tests"
  # One ctest run, so that its summary counts everything.
  cmake --preset release -DKTRIAL_FUZZ_DIR="$PWD/build/fuzz" >/dev/null
  local status=0
  ctest --preset all "$@" || status=$?
  [ $# = 0 ] || return $status
  # What the kernel's developers changed last is not ours to promise: told, and fails nothing.
  say "the newest kernel of the mirror's suites (ctest --preset drift)"
  ctest --preset drift || say "ktrial does not see all of the newest kernel; above is what is missing"
  return $status
}

[ -r /etc/debian_version ] || die "this script knows Debian only; docs/dependencies.md lists what to install elsewhere"
case "${1:-}" in
  run)
    install_packages "${packages[@]}"; install_vsock_daemon; build program
    exec build/release/bin/ktrial run --kernel deb:linux-image-cloud-amd64 --workload mmcid-vfork --cpus 4 "${@:2}" ;;
  build) install_packages "${packages[@]}"; install_vsock_daemon; build program ;;
  test)
    install_packages "${packages[@]}" "${test_packages[@]}"; install_vsock_daemon; build all
    run_tests "${@:2}" ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 129 ;;
esac
