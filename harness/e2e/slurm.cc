#include "harness/e2e/slurm.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/base/text.h"
#include "harness/e2e/daemon.h"

namespace ktrial::e2e {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr int kMib = 6000;

std::string program_of(const std::string& name) {
  if (const auto found = find_program(name)) return found->string();
  return "/usr/sbin/" + name;
}

// Some that nobody has now. Slurm's daemons take no socket: somebody may be faster, then we try
// others.
constexpr std::size_t kPorts = 3;
Result<std::array<int, kPorts>> free_ports() {
  std::array<int, kPorts> out{};
  Fd held[kPorts];
  for (std::size_t i = 0; i < kPorts; ++i) {
    held[i] = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(held[i].get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(held[i].get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      return fail_errno("a port", errno);
    out[i] = ntohs(address.sin_port);
  }
  return out;
}

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(::geteuid());
}

// MariaDB on a socket alone. Whoever starts it is its root, without a password.
std::vector<std::string> database(const std::string& program, const std::string& home) {
  return {program,
          "--no-defaults",
          "--user=" + user_name(),
          "--datadir=" + home + "/db",
          "--skip-networking",
          "--socket=" + home + "/db.sock",
          "--innodb-log-file-size=8M",
          "--innodb-flush-log-at-trx-commit=0"};
}

Status all_installed(std::initializer_list<const char*> programs, const char* packages) {
  for (const char* name : programs)
    if (!fs::exists(program_of(name)))
      return fail(ErrorKind::environment,
                  std::string(name) + " is not installed (apt install " + packages + ")");
  return {};
}

}  // namespace

Result<PrivateSlurm> PrivateSlurm::start(const SlurmWish& wish) {
  KTRIAL_TRY(
      all_installed({"munged", "slurmctld", "slurmd", "sbatch", "squeue"}, "slurm-wlm munge"));
  if (wish.accounts)
    KTRIAL_TRY(all_installed({"slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db"},
                             "slurmdbd mariadb-server"));
  Error last;
  for (int attempt = 0; attempt < 3; ++attempt) {
    PrivateSlurm out(KTRIAL_TRY(TempDir::create("kslurm")));
    const Status up = out.launch(wish);
    if (up) return out;
    last = up.error();
  }
  return std::unexpected(last);
}

Status PrivateSlurm::launch(const SlurmWish& wish) {
  const fs::path home = dir_.path();
  for (const char* folder : {"state", "spool"}) fs::create_directories(home / folder);
  std::string key(128, '\0');
  if (::getrandom(key.data(), key.size(), 0) != 128) return fail_errno("getrandom", errno);
  KTRIAL_TRY(write_file_atomically(home / "key", key));
  ::chmod((home / "key").c_str(), 0600);
  const auto [controller, node, accounts] = KTRIAL_TRY(free_ports());
  const std::string h = home.string();
  std::string more;
  if (wish.accounts)
    more =
        "MinJobAge=2\nAccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost="
        "127.0.0.1\nAccountingStoragePort=" +
        std::to_string(accounts) + "\nAccountingStoragePass=" + h +
        "/munge.sock\nPreemptType=preempt/partition_prio\nPreemptMode=CANCEL\n"
        "PartitionName=urgent Nodes=ALL PriorityTier=9 PreemptMode=OFF MaxTime=INFINITE\n";
  KTRIAL_TRY(write_file_atomically(
      conf(),
      "ClusterName=desk\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort=" +
          std::to_string(controller) + "\nSlurmdPort=" + std::to_string(node) +
          "\nSlurmUser=" + user_name() + "\nSlurmdUser=" + user_name() + "\nAuthInfo=socket=" + h +
          "/munge.sock\nStateSaveLocation=" + h + "/state\nSlurmdSpoolDir=" + h +
          "/spool\nSlurmctldPidFile=" + h + "/ctld.pid\nSlurmdPidFile=" + h +
          "/slurmd.pid\nSlurmctldLogFile=" + h + "/ctld.log\nSlurmdLogFile=" + h +
          "/slurmd.log\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n"
          "SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU_Memory\nKillWait=5\n"
          "ReturnToService=2\nSlurmdParameters=config_overrides\nNodeName=" +
          kNode + " NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=" + std::to_string(wish.cpus) +
          " RealMemory=" + std::to_string(kMib) +
          "\nPartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n" + more));
  KTRIAL_TRY(
      start_daemon("munged", {"--force", "--foreground", "--socket=" + h + "/munge.sock",
                              "--key-file=" + h + "/key", "--pid-file=" + h + "/munge.pid",
                              "--log-file=" + h + "/munge.log", "--seed-file=" + h + "/seed"}));
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!fs::exists(home / "munge.sock")) {
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::environment, "a private munged did not start: " + logs());
    std::this_thread::sleep_for(10ms);
  }
  if (wish.accounts) KTRIAL_TRY(launch_accounts(accounts));
  KTRIAL_TRY(start_controller());
  KTRIAL_TRY(start_daemon("slurmd", {"-D", "-f", conf(), "-N", kNode}));
  return until_node_is("idle");
}

Status PrivateSlurm::launch_accounts(int port) {
  const std::string h = dir_.path().string();
  auto install = database(program_of("mariadb-install-db"), h);
  install.insert(install.end(), {"--auth-root-authentication-method=normal", "--skip-test-db"});
  const auto made = KTRIAL_TRY(run_command(install, {.timeout = 120s}));
  if (!made.ok()) return fail(ErrorKind::environment, "mariadb-install-db: " + made.err);
  auto server = database("", h);
  server.erase(server.begin());
  KTRIAL_TRY(start_daemon("mariadbd", server));
  KTRIAL_TRY(until_it_answers({"mariadb", "--no-defaults", "--socket=" + h + "/db.sock",
                               "--user=root", "--execute=select 1"}));
  const std::string file = h + "/slurmdbd.conf";
  KTRIAL_TRY(write_file_atomically(
      file, "AuthInfo=socket=" + h + "/munge.sock\nDbdHost=localhost\nDbdAddr=127.0.0.1\nDbdPort=" +
                std::to_string(port) + "\nSlurmUser=" + user_name() + "\nLogFile=" + h +
                "/dbd.log\nPidFile=" + h +
                "/dbd.pid\nStorageType=accounting_storage/mysql\nStorageHost=localhost\n"
                "StorageUser=root\nStorageLoc=accounts\n"));
  ::chmod(file.c_str(), 0600);
  KTRIAL_TRY(start_daemon("slurmdbd", {"-D"}));
  KTRIAL_TRY(until_it_answers({"sacctmgr", "--immediate", "list", "cluster"}));
  for (const std::vector<std::string>& what : {std::vector<std::string>{"cluster", "desk"},
                                               {"account", "trials"},
                                               {"user", user_name(), "account=trials"}}) {
    std::vector<std::string> words{"sacctmgr", "--immediate", "add"};
    words.insert(words.end(), what.begin(), what.end());
    KTRIAL_TRY(ask(words));
  }
  return {};
}

Status PrivateSlurm::hide_from_node(const std::string& folder, const std::string& door) {
  fs::create_directories(folder);
  fs::create_directories(door + folder);
  end_daemon("slurmd", SIGTERM);
  KTRIAL_TRY(start_daemon(
      "slurmd",
      {"--mount", "--propagation", "private", "sh", "-c",
       "mount --bind \"$0\" \"$1$0\" && mount -t tmpfs none \"$0\" && shift && exec \"$@\"", folder,
       door, program_of("slurmd"), "-D", "-f", conf(), "-N", kNode},
      "unshare"));
  return until_node_is("idle");
}

Status PrivateSlurm::start_controller() { return start_daemon("slurmctld", {"-D", "-f", conf()}); }

void PrivateSlurm::kill_controller() { end_daemon("slurmctld", SIGKILL); }

Status PrivateSlurm::start_daemon(const std::string& name, std::vector<std::string> words,
                                  const std::string& by) {
  words.insert(words.begin(), by.empty() ? program_of(name) : by);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", errno);
  if (pid == 0) {
    become_daemon(dir_.path() / (name + ".out"));
    ::setenv("SLURM_CONF", conf().c_str(), 1);
    // Where MariaDB's clients find their server.
    ::setenv("MYSQL_UNIX_PORT", (dir_.path() / "db.sock").c_str(), 1);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  daemons_[name] = pid;
  return {};
}

Status PrivateSlurm::until_it_answers(const std::vector<std::string>& words) const {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    const auto answer = ask(words);
    if (answer) return {};
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::environment, answer.error().message + "\n" + logs());
    std::this_thread::sleep_for(100ms);
  }
}

Status PrivateSlurm::until_node_is(const std::string& state) const {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    const auto seen = ask({"sinfo", "--noheader", "--Node", "--partition=all", "--format=%t"});
    if (seen && *seen == state) return {};
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::environment, "a private Slurm did not start: " + logs());
    std::this_thread::sleep_for(50ms);
  }
}

std::string PrivateSlurm::logs() const {
  std::string out;
  for (const char* file : {"munge.log", "ctld.log", "slurmd.log", "dbd.log", "munged.out",
                           "slurmctld.out", "slurmd.out", "slurmdbd.out", "mariadbd.out"}) {
    const std::string text = read_file(dir_.path() / file).value_or("");
    if (!text.empty())
      out += std::string(file) + ":\n" +
             text.substr(text.size() - std::min<std::size_t>(2000, text.size())) + "\n";
  }
  return out;
}

Result<std::string> PrivateSlurm::ask(std::vector<std::string> words) const {
  const auto out =
      KTRIAL_TRY(run_command(words, {.timeout = 60s, .environment = {{"SLURM_CONF", conf()}}}));
  if (!out.ok()) return fail(ErrorKind::environment, words.front() + ": " + out.err);
  return std::string(trimmed(out.out));
}

std::vector<std::string> PrivateSlurm::tasks(const std::string& state) const {
  std::vector<std::string> out;
  const std::string text =
      ask({"squeue", "--noheader", "--array", "--states=" + state, "--format=%F_%K"}).value_or("");
  for (const auto& line : split(text, '\n')) out.emplace_back(trimmed(line));
  return out;
}

void PrivateSlurm::end_daemon(const std::string& name, int signal) {
  const auto found = daemons_.find(name);
  if (found == daemons_.end()) return;
  ::kill(found->second, signal);
  for (int i = 0; i < 1000; ++i) {
    if (::waitpid(found->second, nullptr, WNOHANG) != 0) {
      daemons_.erase(found);
      return;
    }
    std::this_thread::sleep_for(10ms);
  }
  ::kill(found->second, SIGKILL);
  ::waitpid(found->second, nullptr, 0);
  daemons_.erase(found);
}

PrivateSlurm::PrivateSlurm(PrivateSlurm&& other) noexcept
    : dir_(std::move(other.dir_)), daemons_(std::exchange(other.daemons_, {})) {}

PrivateSlurm::~PrivateSlurm() {
  if (daemons_.contains("slurmctld") && daemons_.contains("slurmd")) {
    (void)ask({"scancel", "--user=" + user_name()});
    for (int i = 0; i < 100 && !tasks("RUNNING,COMPLETING").empty(); ++i)
      std::this_thread::sleep_for(100ms);
  }
  for (const char* name : {"slurmd", "slurmctld", "slurmdbd", "munged", "mariadbd"})
    end_daemon(name, SIGTERM);
}

}  // namespace ktrial::e2e
