#include "harness/mail/commands.h"

#include <algorithm>
#include <array>

#include "harness/base/re2.h"
#include "harness/base/text.h"

namespace ktrial::mail {
namespace {

// What loads or changes a machine. First words of commands that people write into reports.
constexpr auto kTools = std::to_array<std::string_view>({"stress-ng",
                                                         "stress",
                                                         "stressapptest",
                                                         "fio",
                                                         "iperf",
                                                         "iperf3",
                                                         "netperf",
                                                         "hackbench",
                                                         "sysbench",
                                                         "dbench",
                                                         "fsstress",
                                                         "fsx",
                                                         "xfs_io",
                                                         "trinity",
                                                         "dd",
                                                         "mount",
                                                         "umount",
                                                         "insmod",
                                                         "modprobe",
                                                         "rmmod",
                                                         "ip",
                                                         "tc",
                                                         "nft",
                                                         "iptables",
                                                         "ethtool",
                                                         "bridge",
                                                         "ifconfig",
                                                         "ping",
                                                         "docker",
                                                         "podman",
                                                         "lxc",
                                                         "kubectl",
                                                         "nerdctl",
                                                         "systemctl",
                                                         "systemd-run",
                                                         "make",
                                                         "ninja",
                                                         "socat",
                                                         "nc",
                                                         "perf",
                                                         "trace-cmd",
                                                         "bpftrace",
                                                         "bpftool",
                                                         "kvm.sh",
                                                         "cat",
                                                         "watch",
                                                         "echo",
                                                         "printf",
                                                         "cp",
                                                         "for",
                                                         "while",
                                                         "until",
                                                         "taskset",
                                                         "chrt",
                                                         "numactl",
                                                         "cgexec",
                                                         "cgcreate",
                                                         "unshare",
                                                         "nsenter",
                                                         "setsid",
                                                         "timeout",
                                                         "bash",
                                                         "sh",
                                                         "python",
                                                         "python3",
                                                         "perl",
                                                         "node",
                                                         "java",
                                                         "btrfs",
                                                         "nvme",
                                                         "mkfs",
                                                         "mkswap",
                                                         "swapon",
                                                         "swapoff",
                                                         "losetup",
                                                         "dmsetup",
                                                         "lvcreate",
                                                         "mdadm",
                                                         "cryptsetup",
                                                         "fallocate",
                                                         "truncate",
                                                         "rm",
                                                         "find",
                                                         "tar",
                                                         "rsync",
                                                         "rtcwake",
                                                         "pm-suspend",
                                                         "chcpu",
                                                         "runltp",
                                                         "kirk",
                                                         "run_kselftest.sh",
                                                         "syz-execprog",
                                                         "syz-exec",
                                                         "blktests",
                                                         "check",
                                                         "./check",
                                                         "glxgears",
                                                         "vkcube",
                                                         "ab",
                                                         "wrk",
                                                         "redis-benchmark",
                                                         "memtester",
                                                         "turbostat",
                                                         "cyclictest",
                                                         "rteval",
                                                         "rt-migrate-test",
                                                         "unixbench",
                                                         "will-it-scale",
                                                         "lmbench",
                                                         "xfstests",
                                                         "kexec",
                                                         "reboot",
                                                         "virsh",
                                                         "vng",
                                                         "virtme-run",
                                                         "thermald",
                                                         "zramctl",
                                                         "tee",
                                                         "seq",
                                                         "yes",
                                                         "sysctl",
                                                         "ftrace",
                                                         "mpirun",
                                                         "wrk2",
                                                         "tcpreplay",
                                                         "pktgen",
                                                         "nginx",
                                                         "sshd",
                                                         "igt_runner",
                                                         "piglit",
                                                         "fsfuzz",
                                                         "drgn-run",
                                                         "vim"});
// What does not: builds, logs, mails, versions.
constexpr auto kOthers = std::to_array<std::string_view>(
    {"gcc",     "g++",    "clang",  "cc",         "git",   "b4",        "patch",   "scp",
     "wget",    "curl",   "dmesg",  "journalctl", "uname", "addr2line", "gdb",     "crash",
     "objdump", "nm",     "less",   "vi",         "mutt",  "apt",       "apt-get", "dnf",
     "yum",     "zypper", "pacman", "ls",         "cd",    "export",    "grep",    "awk",
     "sed",     "diff",   "lscpu",  "lspci",      "lsusb", "lsmod",     "dpkg",    "rpm",
     "emerge",  "head",   "tail",   "ssh",        "mkdir", "chmod"});

constexpr std::string_view kPrompts = "$#%";

}  // namespace

std::string bare_command(std::string_view text) {
  text = trimmed(text);
  for (const char quote : {'`', '"', '\''})
    if (text.size() > 2 && text.front() == quote && text.back() == quote)
      text = trimmed(text.substr(1, text.size() - 2));
  static const RE2 kPrompt(R"(^(?:\[?[\w.-]+@[\w.-]+[^$#%]{0,60}[$#%]|[$#%])\s+)");
  static const RE2 kBefore(R"(^(?:sudo(?:\s+-\w+)*\s+|time\s+|nohup\s+|[A-Z_][A-Z0-9_]*=\S*\s+))");
  consume(text, kPrompt);
  while (consume(text, kBefore)) {
  }
  return std::string(trimmed(text));
}

bool is_compile_command(std::string_view text) {
  static const RE2 kCompile(R"(^(gcc|g\+\+|clang|cc)\b.*\s-o\s*\S+)");
  return partial_match(bare_command(text), kCompile);
}

bool looks_like_command(std::string_view text) {
  if (text.size() > 2048 || text.empty()) return false;
  const std::string bare = bare_command(text);
  if (bare.size() < 4) return false;
  const std::string_view view = bare;
  std::string_view first = view.substr(0, view.find_first_of(" \t;"));
  const std::string_view rest = trimmed(view.substr(first.size()));
  if (first.find_last_of("/") != first.npos && !first.ends_with('/')) {
    // "./repro 8", "/usr/bin/foo": a path with a program at its end, no file that is talked of.
    static const RE2 kPath(
        R"(^(\.{1,2}/|/(usr|bin|sbin|opt|root|home|tmp|sys/kernel/tests|lib|root)/|tools/|\./)[\w./+-]+$)");
    if (!partial_match(first, kPath)) return false;
    if (first.ends_with(".c") || first.ends_with(".h") || first.ends_with(".ko")) return false;
    return !partial_match(rest, RE2(R"(^(\||\d+ [+-]|is |was |has ))"));
  }
  if (std::ranges::find(kOthers, first) != kOthers.end()) return false;
  static const RE2 kDiagnosis(
      R"(sysrq-trigger|/sys/kernel/debug/tracing|/proc/(version|cmdline|config)|hung_task_timeout_secs)");
  if (partial_match(view, kDiagnosis)) return false;
  static const RE2 kBuild(
      R"(^(make|ninja)\b.*\b(defconfig|olddefconfig|oldconfig|bzImage|modules|modules_install|menuconfig|vmlinux|W=1|ARCH=)\b|^cp \S*config)");
  if (partial_match(view, kBuild)) return false;
  const bool script = (first.ends_with(".sh") || first.ends_with(".py")) && first.size() > 4;
  if (script || first == "insmod" || first == "modprobe" || first.starts_with("mkfs.")) return true;
  if (first == "for" || first == "while" || first == "until") {
    static const RE2 kLoop(R"(\bdo\b.*\bdone\b|;\s*do\b|\bdo\s*$)");
    return partial_match(view, kLoop);
  }
  if (std::ranges::find(kTools, first) == kTools.end()) return false;
  // A word that is English, too, must look like a command by what follows.
  static const RE2 kArguments(
      R"((^|\s)(--?[A-Za-z0-9]|/\w|\./|\$|\d|>|\||[\w.-]+=\S)|[A-Z]{3,}|;)");
  static const RE2 kEnglish(
      R"(^(for|while|make|watch|find|cat|echo|check|stress|perf|mount|ip|bridge|reboot|bash|docker|podman|timeout|node|yes|python|java|tee|ab|sh|rm|cp|tar)$)");
  if (rest.empty()) return !partial_match(first, kEnglish);
  static const RE2 kScript(R"(^[\w./-]+\.(sh|py|pl)\b)");
  if (partial_match(rest, kScript)) return true;
  if (partial_match(rest, kArguments)) return true;
  static const RE2 kPlain(R"(^[\w.:-]+(\s+[\w.:/-]+){0,4}$)");
  return !partial_match(
             first,
             RE2(R"(^(make|watch|find|check|stress|for|while|node|yes|timeout|mount|reboot)$)")) &&
         partial_match(rest, kPlain) &&
         partial_match(first,
                       RE2("^(ip|tc|podman|docker|systemctl|nft|btrfs|virsh|hackbench|perf|fio|"
                           "bpftrace|rmmod|swapoff|kexec|trinity|cat|umount|igt_runner|piglit)$"));
}

}  // namespace ktrial::mail
