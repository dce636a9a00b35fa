#include "harness/e2e/e2e.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "harness/kernel/kernel.h"
#include "harness/spec/timeouts.h"
#include "harness/vm/libvirt/libvirt_vm.h"

extern char** environ;

namespace ktrial::e2e {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {
constexpr char kMark[] = "KTRIAL_TEST_ID";

std::string slurp(const fs::path& path) { return read_file(path, 64u << 20).value_or(""); }
}  // namespace

std::chrono::milliseconds scaled(std::chrono::seconds patience) {
  const double scale = spec::environment_scale().value_or(1);
  return std::chrono::milliseconds(
      static_cast<long>(1000.0 * patience.count() * std::max(1.0, scale)));
}

int rounds() {
  const char* text = std::getenv("KTRIAL_DRILL_ROUNDS");
  return text != nullptr ? std::max(1, std::atoi(text)) : 10;
}

Running::~Running() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}
void Running::signal(int number) { ::kill(pid_, number); }
std::string Running::err() const { return slurp(folder_ / "err"); }

Outcome Running::wait(std::chrono::seconds patience) {
  int status = 0;
  const auto deadline = Clock::now() + scaled(patience);
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (Clock::now() > deadline) {
      ADD_FAILURE() << "ktrial did not end in " << patience.count() << " s:\n" << err();
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(folder_ / "out"),
          slurp(folder_ / "err")};
}

void E2eTest::SetUp() {
  auto dir = TempDir::create("kt-e2e");
  ASSERT_TRUE(dir) << dir.error().message;
  dir_.emplace(std::move(*dir));
  fs::create_directories(root() / "tmp");
  environment_ = {{"TMPDIR", root() / "tmp"},
                  {"XDG_RUNTIME_DIR", root() / "tmp"},
                  {"XDG_STATE_HOME", root() / "state"},
                  {"KTRIAL_TEMPLATES", "/dev/shm/ktrial-e2e-" + std::to_string(::geteuid())},
                  {kMark, root()}};
  const char* vmm = std::getenv("KTRIAL_E2E_VMM");
  if (vmm != nullptr && std::string_view(vmm) == "libvirt") use_libvirt();
}

void E2eTest::use_libvirt(PrivateLibvirtd::Kvm kvm) {
  daemon_.reset();
  auto daemon = PrivateLibvirtd::start(kvm);
  if (!daemon) GTEST_SKIP() << "no libvirtd to test with: " << daemon.error().message;
  boost::asio::io_context io;
  const auto libvirt = vm::find_libvirt(io, daemon->uri());
  if (!libvirt && libvirt.error().message.find("built without") != std::string::npos)
    GTEST_SKIP() << libvirt.error().message;
  ASSERT_TRUE(libvirt) << libvirt.error().message;
  daemon_.emplace(std::move(*daemon));
}

void E2eTest::check_domains_are_gone() {
  EXPECT_TRUE(eventually([&] { return daemon_->machines().empty(); })) << "QEMU was left behind";
  // A daemon that was killed has left nobody to tidy up.
  EXPECT_TRUE(eventually([&] { return daemon_->killed() || daemon_->domain_files().empty(); }))
      << daemon_->domain_files().front();
  daemon_.reset();
}

void E2eTest::TearDown() {
  if (HasFailure()) show_commands();
  if (daemon_) check_domains_are_gone();
  EXPECT_TRUE(eventually([&] { return processes().empty(); })) << "processes were left behind";
  EXPECT_EQ(temporary_files(), std::vector<std::string>{});
  std::error_code none;
  fs::remove_all(templates_, none);
}

std::vector<std::string> E2eTest::for_backend(std::vector<std::string> arguments) const {
  if (!daemon_ || arguments.empty() || std::ranges::count(arguments, "--vmm") > 0) return arguments;
  if (arguments[0] == "run" || arguments[0] == "selftest" || arguments[0] == "bisect" ||
      arguments[0] == "reproduce")
    arguments.insert(arguments.begin() + 1, {"--vmm", "libvirt", "--connect", daemon_->uri()});
  const std::array warm = {std::string("--start"), std::string("warm")};
  const auto start = std::ranges::search(arguments, warm);
  arguments.erase(start.begin(), start.end());
  return arguments;
}

// A failure that comes once in a hundred runs has only this to tell why.
void E2eTest::show_commands() const {
  auto show = [](const fs::path& file) {
    const std::string text = slurp(file);
    if (text.empty()) return;
    constexpr std::size_t kEnd = 4000;
    std::cerr << "---- " << file.string() << '\n'
              << text.substr(text.size() - std::min(kEnd, text.size())) << '\n';
  };
  for (int command = 0; command < commands_; ++command)
    show(root() / ("command" + std::to_string(command)) / "err");
  std::error_code error;
  for (const auto& run : fs::directory_iterator(root() / "state/ktrial/runs", error))
    for (const auto& trial : fs::directory_iterator(run.path() / "trials", error))
      for (const char* name : {"autopsy.txt", "console.log"}) show(trial.path() / name);
}

Running E2eTest::start(const std::vector<std::string>& arguments) {
  const fs::path folder = root() / ("command" + std::to_string(commands_++));
  fs::create_directories(folder);
  std::vector<std::string> words = {program_};
  for (const std::string& word : for_backend(arguments)) words.push_back(word);
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!environment_.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  for (const auto& [name, value] : environment_) variables.push_back(name + "=" + value);
  auto pointers = [](std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (std::string& text : strings) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
  };
  auto argv = pointers(words), envp = pointers(variables);
  const std::string out = folder / "out", err = folder / "err";
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(::open("/dev/null", O_RDONLY), 0);
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  return Running(pid, folder);
}

Outcome E2eTest::run(const std::vector<std::string>& arguments) { return start(arguments).wait(); }

std::string E2eTest::why_no_kernel(const std::string& reference) {
  auto parsed = kernel::parse_reference(reference);
  auto cache = kernel::default_cache_dir();
  if (!parsed || !cache) return "no reference or no cache";
  auto kernel = kernel::resolve(*parsed, {.cache_dir = *cache});
  return kernel ? "" : kernel.error().message;
}

bool E2eTest::eventually(const std::function<bool()>& done, std::chrono::seconds patience) {
  const auto deadline = Clock::now() + scaled(patience);
  while (!done()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

std::vector<pid_t> E2eTest::processes(const std::string& name) const {
  std::vector<pid_t> out;
  const std::string mark = std::string(kMark) + "=" + root().string();
  const auto machines = daemon_ ? daemon_->machines() : std::vector<pid_t>{};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    if (std::ranges::count(machines, pid) == 0 &&
        slurp(entry.path() / "environ").find(mark) == std::string::npos)
      continue;
    const std::string stat = slurp(entry.path() / "stat");
    const auto close = stat.rfind(')');
    if (close == stat.npos || stat.size() < close + 3 || stat[close + 2] == 'Z') continue;
    if (name.empty() || slurp(entry.path() / "cmdline").find(name) != std::string::npos)
      out.push_back(pid);
  }
  return out;
}

std::vector<pid_t> E2eTest::jobs() const {
  auto out = processes(std::string("job\0/proc/self/fd/", 18));
  std::erase_if(out, [](pid_t pid) {
    return slurp("/proc/" + std::to_string(pid) + "/comm").starts_with("ktrial-janitor");
  });
  return out;
}

int E2eTest::count(const std::string& text, const std::string& part) {
  int out = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; ++at) ++out;
  return out;
}

std::vector<std::string> E2eTest::temporary_files() const {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root() / "tmp", error))
    // Where campaigns of one user meet stays, and what libvirt's library makes itself.
    if (const auto name = entry.path().filename(); name != "ktrial-campaigns" && name != "libvirt")
      out.push_back(name);
  return out;
}

nlohmann::json E2eTest::trial(const Outcome& result) {
  const auto json = result.json();
  const bool whole = json.is_object() && json.contains("trials") && !json["trials"].empty();
  EXPECT_TRUE(whole) << result.out << result.err;
  return whole ? json["trials"][0] : nlohmann::json::object();
}

std::string E2eTest::fact(const nlohmann::json& record, const std::string& name) {
  if (record.contains("facts"))
    for (const auto& item : record["facts"])
      if (item["name"] == name) return item["value"];
  return "";
}

fs::path E2eTest::run_folder() const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root() / "state/ktrial/runs", error))
    return entry.path();
  return {};
}

}  // namespace ktrial::e2e
