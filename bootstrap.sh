#!/usr/bin/env bash
# From a bare Debian 12 or 13 to a verdict.
#
#   ./bootstrap.sh run    install packages, build, put the distribution's cloud kernel on trial
#   ./bootstrap.sh test   install packages, build, run all tests
#   ./bootstrap.sh build  install packages, build build/release/bin/ktrial
#   ./bootstrap.sh package   the same, then the Debian packages: build/release/ktrial*.deb, .ddeb
#
# Needs root or sudo only to install packages; with all of them present it
# needs neither. Removes no package. Elsewhere it says what is missing, and
# builds when nothing is. Safe to repeat.
set -euo pipefail
cd "$(dirname "$0")"

# One need a line: the Debian package (`|`: the first that this machine has or its apt knows;
# `>=`: at least that version), and how to see it on a system without dpkg: a command, a header
# or a pkg-config module. docs/dependencies.md says what each is for.
packages='
  ca-certificates                          -
  ccache                                   -
  cmake                                    cmd:cmake
  g++                                      cmd:g++
  git                                      cmd:git
  make                                     cmd:make
  ninja-build                              cmd:ninja
  pkg-config                               cmd:pkg-config
  python3                                  -
  qemu-system-x86                          cmd:qemu-system-x86_64
  libarchive-dev                           pc:libarchive
  libelf1t64|libelf1                       -
  libboost1.*-dev>=1.81|libboost-dev>=1.81|libboost1.83-dev|libboost1.81-dev  h:boost/process/v2/process.hpp
  libcli11-dev                             h:CLI/CLI.hpp
  libfmt-dev                               h:fmt/format.h
  libgmime-3.0-dev                         pc:gmime-3.0
  libgmock-dev                             h:gmock/gmock.h
  libgtest-dev                             h:gtest/gtest.h
  libhyperscan-dev                         -
  libkainjow-mustache-dev                  h:kainjow/mustache.hpp
  libpugixml-dev                           pc:pugixml
  libre2-dev                               pc:re2
  libsqlite3-dev                           pc:sqlite3
  libssl-dev                               pc:libcrypto
  libtomlplusplus-dev                      h:toml++/toml.h
  libtraceevent-dev                        pc:libtraceevent
  libvirt-dev                              -
  libxml2-dev                              pc:libxml-2.0
  nlohmann-json3-dev                       h:nlohmann/json.hpp
'
# clang for the fuzzers; makedumpfile reads our core files, trace-cmd our traces; a build of
# (imitated) kernels asks for bc, bison and flex; gdb looks at a failed guest, kmod at its modules;
# libvirtd is started by the tests, in a private folder (these packages bring no service: the system
# has no libvirtd running because of them)
test_packages='
  bc                                       cmd:bc
  bison                                    cmd:bison
  clang-19                                 cmd:clang++-19
  clang-format-19                          -
  flex                                     cmd:flex
  gdb                                      cmd:gdb
  kmod                                     -
  libclang-rt-19-dev                       -
  libvirt-daemon                           -
  libvirt-daemon-driver-qemu               -
  makedumpfile                             -
  python3-jsonschema                       -
  trace-cmd                                -
'
# cpack asks the first two for the libraries that the program needs; the last packs the guest's
package_tools='
  dpkg-dev                                 cmd:dpkg-shlibdeps
  file                                     cmd:file
  zstd                                     cmd:zstd
'
lock_wait=600  # seconds that another apt may take

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'bootstrap.sh: %s\n' "$*" >&2; exit 128; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    die "packages are missing and neither root nor sudo is at hand; as root: $*"
  fi
}

# apt-get as root, which waits for another apt or dpkg (a fresh cloud machine updates itself).
apt_get() {
  local errors status end=$((SECONDS + lock_wait)) told=
  errors=$(mktemp)
  while :; do
    status=0
    as_root env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >&2 2>"$errors" || status=$?
    if [ $status = 0 ] || ! grep -q '^E: .*[Cc]ould not get lock' "$errors"; then break; fi
    [ -n "$told" ] || say "waiting up to $lock_wait s for another apt: $(grep -m 1 'Could not get lock' "$errors" | cut -c4-)"
    told=yes
    [ $SECONDS -lt $end ] || break
    sleep 2
  done
  cat "$errors" >&2
  rm -f "$errors"
  return $status
}

installed_version() {
  dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p' | sort -rV | head -n 1
}
candidate_version() {
  case "$1" in *\**) return ;; esac  # apt would take it for a pattern; only what is installed is asked so
  apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([^(]\)/\1/p'
}

# choose VERSION-OF ALTERNATIVES: the first package of the alternatives that VERSION-OF has, in the version wanted.
choose() {
  local alternative package wanted version
  for alternative in ${2//|/ }; do
    package=${alternative%%>=*}; wanted=; [ "$package" = "$alternative" ] || wanted=${alternative##*>=}
    version=$($1 "$package")
    [ -n "$version" ] || continue
    if [ -z "$wanted" ] || dpkg --compare-versions "$version" ge "$wanted"; then echo "$package"; return; fi
  done
}

# The needs of the table that no installed package meets, as they stand in it.
missing_needs() {
  local need probe
  while read -r need probe; do
    [ -z "$need" ] || [ -n "$(choose installed_version "$need")" ] || echo "$need"
  done <<<"$1"
}

# From 1.86 on Boost.Process is a library of its own, of the same version as the headers.
missing_boost_process() {
  local boost major minor package=libboost-process-dev
  boost=$(installed_version 'libboost1.*-dev')
  if [ -n "$boost" ]; then
    IFS=. read -r major minor _ <<<"$boost"
    package=libboost-process$major.$minor-dev
  else
    boost=$(candidate_version libboost-dev)
  fi
  dpkg --compare-versions "${boost:-0}" ge 1.86 || return 0
  [ -n "$(installed_version "$package")" ] || echo "$package"
}

install_packages() {
  local needs need package chosen=()
  needs=$(missing_needs "$1"; missing_boost_process)
  [ -n "$needs" ] || return 0
  say "packages are missing; asking apt for them"
  apt_get update
  needs=$(missing_needs "$1"; missing_boost_process)
  for need in $needs; do
    package=$(choose candidate_version "$need")
    [ -n "$package" ] || die "no package source of this system has $need; docs/dependencies.md says what it is for"
    chosen+=("$package")
  done
  say "installing: ${chosen[*]}"
  install_without_removals "${chosen[@]}"
}

# What would remove a package of the user's is theirs to do.
install_without_removals() {
  local command=(install -y --no-install-recommends "$@") plan removed
  plan=$(LC_ALL=C.UTF-8 apt-get -q -s "${command[@]}") || die "apt-get cannot install: $*"
  removed=$(sed -n 's/^Remv \([^ ]*\).*/\1/p' <<<"$plan" | sort | tr '\n' ' ')
  [ -z "$removed" ] || die "installing these would remove ${removed% }, which is not this script's to do; if you can spare it, run as root, then ./bootstrap.sh again:
    apt-get ${command[*]}"
  apt_get "${command[@]}"
}

# Without dpkg: the needs that cannot be seen, by the name of their Debian package.
check_foreign_system() {
  local need probe what missing=()
  while read -r need probe; do
    what=${probe#*:}
    case "$probe" in
      cmd:*) command -v "$what" >/dev/null ;;
      pc:*) pkg-config --exists "$what" 2>/dev/null ;;
      h:*) echo "#include <$what>" | g++ -std=c++23 -x c++ -fsyntax-only - 2>/dev/null ;;
    esac || missing+=("$need ($what)")
  done <<<"$1"
  [ ${#missing[@]} = 0 ] && return
  printf 'bootstrap.sh: this system is not Debian; install what is missing, here by the names of docs/dependencies.md:\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 128
}

prepare() {
  if command -v dpkg-query apt-get >/dev/null; then
    install_packages "$1"
    install_vsock_daemon
    install_file_server
  else
    check_foreign_system "$1"
  fi
}

# vhost-device-vsock is optional: without it the vhost-user-vsock channel is refused with a
# reason. Up to Debian 13 only sid has it, and it needs no more than Debian 12's libc.
install_vsock_daemon() {
  ! command -v vhost-device-vsock >/dev/null || return 0
  say "installing the optional vhost-device-vsock"
  if [ -n "$(candidate_version vhost-device-vsock)" ]; then
    (install_without_removals vhost-device-vsock) && return
  else
    in_scratch fetch_vsock_daemon && return
  fi
  say "vhost-device-vsock could not be installed; trials will use the virtio-serial channel"
}
fetch_vsock_daemon() {
  download_from sid vhost-device-vsock && install_without_removals "$PWD"/vhost-device-vsock_*.deb
}

# virtiofsd is optional: without it an ordinary user's guest is shown no file of the host. Debian 12
# has none; that of 13 runs there on the libc that it was built for. The two lie in ktrial's
# cache, not in the system.
install_file_server() {
  local cache=~/.cache place
  cache=${XDG_CACHE_HOME:-$cache}/ktrial/virtiofsd
  for place in /usr/libexec /usr/lib "$cache"; do [ ! -x "$place/virtiofsd" ] || return 0; done
  ! command -v virtiofsd >/dev/null || return 0
  say "installing the optional virtiofsd"
  if [ -n "$(candidate_version virtiofsd)" ]; then
    (install_without_removals virtiofsd) && return
  else
    in_scratch fetch_file_server "$cache" && return
  fi
  say "virtiofsd could not be installed; --root host and --root FOLDER are for root alone"
}
fetch_file_server() {
  download_from trixie virtiofsd libc6 && unpack_file_server && virtiofsd/virtiofsd --version >&2 &&
    mkdir -p "$1" && rm -rf "$1" && mv virtiofsd "$1"
}
unpack_file_server() {
  mkdir tree virtiofsd && dpkg-deb -x libc6_*.deb tree && dpkg-deb -x virtiofsd_*.deb tree &&
    cp -L tree/usr/libexec/virtiofsd virtiofsd/program &&
    cp -L tree/usr/lib/*-linux-gnu/ld-linux-*.so.* virtiofsd/ld.so &&
    cp -L tree/usr/lib/*-linux-gnu/lib[cm].so.6 virtiofsd/ || return
  cat >virtiofsd/virtiofsd <<'END'
#!/bin/sh
# virtiofsd of Debian 13, on its own libc.
here=${0%/*}
exec "$here/ld.so" --library-path "$here" "$here/program" "$@"
END
  chmod 755 virtiofsd/virtiofsd
}

# Runs a function in a folder of its own, which does not outlive it.
in_scratch() (
  work=$(mktemp -d) && cd "$work" || exit
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  "$@"
)

# download_from SUITE PACKAGE...: into the current folder, by a private apt configuration that knows
# that suite alone. The system's is left alone.
download_from() {
  local mirror suite=$1; shift
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep '/debian/\?$' | sort -u | head -n 1)
  mkdir -p lists/partial cache/archives/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-none} $suite main" >sources.list
  cat >apt.conf <<END
Dir::Etc::sourcelist "$PWD/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$PWD/lists";
Dir::Cache "$PWD/cache";
Acquire::Check-Valid-Until "false";
APT::Sandbox::User "$(id -un)";
END
  APT_CONFIG=$PWD/apt.conf apt-get update -q >&2 &&
    APT_CONFIG=$PWD/apt.conf apt-get download -q "${@/%//$suite}" >&2
}

# A first build takes eight files as one: half the time, as all include the same large headers.
# A build folder that is there stays as it is: who changes one file does not want to wait for eight.
configure() {
  local together=()
  mkdir -p build 2>/dev/null && [ -w build ] ||
    die "$PWD cannot be written to; build it elsewhere: cmake -S '$PWD' -B DIR -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo && cmake --build DIR --target program"
  [ -e build/release/CMakeCache.txt ] || together=(-DCMAKE_UNITY_BUILD=ON)
  cmake --preset release "${together[@]}" "$@" >/dev/null
}

# `program` is what a user runs.
build() {
  say "building build/release/bin/ktrial"
  configure
  cmake --build --preset release --target program
}

# All of it. Warnings are errors. The tests of what reads hostile bytes are built once, sanitized.
run_tests() {
  local from=$SECONDS
  say "building the program and its tests"
  configure -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
  cmake --build --preset release --target program other_tests
  say "built in $((SECONDS - from)) s; tests"
  local status=0
  python3 harness/dev/ci/run_tests.py "$@" || status=$?
  say "all of it took $SECONDS s"
  return $status
}

case "${1:-}" in
  run)
    prepare "$packages"; build
    exec build/release/bin/ktrial run --kernel deb:linux-image-cloud-amd64 --workload mmcid-vfork --cpus 4 "${@:2}" ;;
  build) prepare "$packages"; build ;;
  package) prepare "$packages$package_tools"; build; (umask 022 && cpack --preset deb >&2); ls -l build/release/*deb ;;
  test) prepare "$packages$package_tools$test_packages"; run_tests "${@:2}" ;;
  *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 129 ;;
esac
