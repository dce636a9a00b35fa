#include "harness/vm/qemu/qemu_vm.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/base/command.h"
#include "harness/base/text.h"
#include "harness/vm/private_pages.h"
#include "harness/vm/qemu/argv.h"
#include "harness/vm/qemu/drain.h"
#include "harness/vm/qemu/instrument.h"
#include "harness/vm/qemu/qmp.h"
#include "harness/vm/qemu/qmp_answers.h"
#include "harness/vm/qemu/registers.h"
#include "harness/vm/qemu/saved_state.h"
#include "harness/vm/ram_dump.h"

namespace ktrial::vm {
namespace asio = boost::asio;
using nlohmann::json;
using std::chrono::milliseconds;

namespace {
struct SocketPair {
  Fd ours, theirs;
};
Result<SocketPair> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("socketpair", errno);
  return SocketPair{Fd(ends[0]), Fd(ends[1])};
}

constexpr int kConsolePipe = 1 << 20;     // bytes; less room only makes the guest wait sooner
constexpr std::size_t kLastWords = 4096;  // bytes of QEMU's stderr worth keeping

class QemuVm final : public Vm, private Resumable, private Countable, private Debuggable {
 public:
  QemuVm(asio::io_context& io, const QemuInstall& qemu, const VmConfig& config)
      : io_(io), qemu_(qemu), config_(config) {}
  ~QemuVm() override { destroy(); }

  Status start(Sink sink) override;
  Result<Fd> take_port(const std::string& port_name) override;
  Result<std::vector<VcpuSample>> sample_vcpus(milliseconds patience) override;
  Status pause(milliseconds patience) override;
  Status resume(milliseconds patience) override;
  Result<GuestRam> ram(milliseconds patience) override;
  Status inject_nmi(milliseconds patience) override;
  Result<std::string> status(milliseconds patience) override;
  Resumable* resumable() override { return config_.keep ? this : nullptr; }
  Countable* countable() override { return instrument_ && config_.exact ? this : nullptr; }
  Delayable* delayable() override {
    return instrument_ && !config_.exact ? &*instrument_ : nullptr;
  }
  Debuggable* debuggable() override { return this; }
  void destroy() override;
  pid_t process() const override { return child_ ? child_->pid() : 0; }
  std::vector<pid_t> vcpu_threads() const override { return vcpu_threads_; }
  std::string shell_command() const override {
    const std::string clock = preloaded(config_);
    return (clock.empty() ? "" : "LD_PRELOAD=" + shell_quoted(clock) + " \\\n  ") +
           shell_script(qemu_.program.string(), qemu_arguments(config_, std::nullopt));
  }

 private:
  void on_qmp_event(const std::string& event, const json& data);
  void on_part_ended();
  Status set_up_plugin(QemuWiring& wiring, std::vector<Fd>& theirs);
  Status make_wiring(QemuWiring& wiring, std::vector<Fd>& theirs, Fd& console, Fd& qmp);
  Status save(milliseconds patience) override;
  Status serve_gdb(const std::filesystem::path& socket, milliseconds patience) override;
  Status resume_from(const ResumeFrom& from);
  std::uint64_t instructions() const override {
    return __atomic_load_n(&instrument_->control().instructions, __ATOMIC_RELAXED);
  }
  std::vector<std::uint64_t> by_cpu() const override {
    const auto& counts = instrument_->control().by_cpu;
    return {counts, counts + config_.cpus};
  }
  void hold_at(std::uint64_t count) override {
    __atomic_store_n(&instrument_->control().stop_at, count, __ATOMIC_RELEASE);
  }
  std::optional<Hold> held() const override;
  void go_on() override { instrument_->go_on(); }
  Result<std::string> registers(milliseconds patience) override;
  std::vector<Visit> visits() const override { return instrument_->visits(); }
  std::uint64_t lost_visits() const override { return instrument_->control().lost; }
  Changes changes() const override { return instrument_->changes(); }
  Paths paths() const override { return instrument_->paths(config_.cpus); }
  void end_stopped_guest();

  asio::io_context& io_;
  const QemuInstall qemu_;
  const VmConfig config_;
  Sink sink_;
  Ram ram_;
  std::optional<Instrument> instrument_;
  int console_fd_ = -1;  // our end
  Fd last_ram_;          // of a guest that ended, where its RAM went with its process
  StateFiles state_;
  std::optional<Child> child_;
  std::unique_ptr<Qmp> qmp_;
  std::shared_ptr<Drain> console_, errors_, holds_;
  std::map<std::string, Fd> ports_;
  std::string last_words_;
  std::vector<pid_t> vcpu_threads_;
  std::optional<ExitStatus> exit_status_;
  int open_parts_ = 0;      // child, console, stderr: Exited is told when all have ended
  bool paused_ = false;     // by us
  bool late_stop_ = false;  // a pause that we gave up: QEMU has yet to obey
  std::string shutdown_;    // told by QEMU
};

Status QemuVm::make_wiring(QemuWiring& wiring, std::vector<Fd>& theirs, Fd& console, Fd& qmp) {
  auto give = [&](Fd fd) {
    theirs.push_back(std::move(fd));
    return theirs.back().get();
  };
  ram_ = KTRIAL_TRY(ram_for(config_));
  state_ = KTRIAL_TRY(open_state_files(config_));
  wiring.ram_fd = ram_.fd.get();
  wiring.ram_shared = ram_.shared;
  // A pipe: QEMU's UART waits for room in it. Into a full socket it drops characters.
  int console_pipe[2];
  if (::pipe2(console_pipe, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  console.reset(console_pipe[0]);
  wiring.console_fd = give(Fd(console_pipe[1]));
  ::fcntl(console.get(), F_SETPIPE_SZ, kConsolePipe);  // as much as a user may have
  SocketPair qmp_pair = KTRIAL_TRY(socket_pair());
  wiring.qmp_fd = give(std::move(qmp_pair.theirs));
  qmp = std::move(qmp_pair.ours);
  if (auto* serial = std::get_if<VirtioSerialPorts>(&config_.channel)) {
    for (const std::string& port : serial->names) {
      SocketPair pair = KTRIAL_TRY(socket_pair());
      wiring.port_fds.push_back(give(std::move(pair.theirs)));
      ports_[port] = std::move(pair.ours);
    }
  }
  return {};
}

Status QemuVm::start(Sink sink) {
  sink_ = std::move(sink);
  QemuWiring wiring;
  std::vector<Fd> theirs;  // closed on our side when QEMU has them
  Fd console, qmp;
  KTRIAL_TRY(set_up_plugin(wiring, theirs));
  KTRIAL_TRY(make_wiring(wiring, theirs, console, qmp));
  int error_pipe[2];
  if (::pipe2(error_pipe, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  Fd error_read(error_pipe[0]), error_write(error_pipe[1]);

  Child::Options options{.program = qemu_.program,
                         .arguments = qemu_arguments(config_, wiring),
                         .inherit = {wiring.ram_fd, wiring.console_fd, wiring.qmp_fd},
                         .standard_error = error_write.get()};
  if (instrument_)
    options.inherit.insert(options.inherit.end(), {wiring.control_fd, wiring.notify_fd});
  options.inherit.insert(options.inherit.end(), wiring.port_fds.begin(), wiring.port_fds.end());
  if (std::string clock = preloaded(config_); !clock.empty()) {
    const char* others = std::getenv("LD_PRELOAD");
    if (others != nullptr && *others != '\0') clock += std::string(":") + others;
    options.environment = environment_with({{"LD_PRELOAD", clock}});
  }
  child_.emplace(KTRIAL_TRY(Child::start(io_, options)));

  console_fd_ = console.get();
  open_parts_ = 3;
  child_->on_exit([this](ExitStatus status) {
    exit_status_ = status;
    on_part_ended();
  });
  console_ = std::make_shared<Drain>(
      io_, std::move(console),
      [this](std::string_view bytes) { sink_(ConsoleBytes{std::string(bytes)}); },
      [this] { on_part_ended(); });
  console_->run();
  errors_ = std::make_shared<Drain>(
      io_, std::move(error_read),
      [this](std::string_view bytes) {
        last_words_.append(bytes);
        if (last_words_.size() > kLastWords) last_words_.erase(0, last_words_.size() - kLastWords);
      },
      [this] { on_part_ended(); });
  errors_->run();
  qmp_ = std::make_unique<Qmp>(
      io_, std::move(qmp),
      [this](const std::string& event, const json& data) { on_qmp_event(event, data); });
  return config_.resume ? resume_from(*config_.resume) : Status{};
}

// That the machine is held wakes who waits for events; held() says it.
Status QemuVm::set_up_plugin(QemuWiring& wiring, std::vector<Fd>& theirs) {
  if (config_.delaying.empty() && (!config_.exact || config_.exact->plugin.empty())) return {};
  instrument_.emplace(KTRIAL_TRY(Instrument::create(config_)));
  wiring.control_fd = instrument_->fd();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  Fd ours(ends[0]);
  theirs.emplace_back(ends[1]);
  wiring.notify_fd = ends[1];
  holds_ = std::make_shared<Drain>(io_, std::move(ours), [](std::string_view) {}, [] {});
  holds_->run();
  return {};
}

std::optional<Hold> QemuVm::held() const {
  if (!instrument_) return std::nullopt;
  auto hold = instrument_->held();
  // What the console still has is of before.
  for (int left = 0; hold && ::ioctl(console_fd_, FIONREAD, &left) == 0 && left > 0;) {
    if (io_.stopped()) io_.restart();
    io_.poll();
  }
  return hold;
}

Result<std::string> QemuVm::registers(milliseconds patience) {
  if (!qmp_) return fail(ErrorKind::environment, "the VM is not running");
  return qmp_->human("info registers -a", patience);
}

Status QemuVm::resume_from(const ResumeFrom& from) {
  paused_ = true;  // what QEMU tells of a stop until then is our doing
  auto resumed = resume_state(*qmp_, state_.resume.get(), from, ram_);
  paused_ = from.stay_paused;
  const std::string words = without_warnings(last_words_);
  if (resumed || words.empty()) return resumed;
  Error error = std::move(resumed).error();
  error.message += ": " + words;
  return std::unexpected(std::move(error));
}

Status QemuVm::save(milliseconds patience) {
  if (!qmp_) return fail(ErrorKind::environment, "the VM is not running");
  return save_state(*qmp_, state_.keep.get(), !config_.keep->ram.empty(), patience);
}

Status QemuVm::serve_gdb(const std::filesystem::path& socket, milliseconds patience) {
  if (!qmp_) return fail(ErrorKind::environment, "the VM is not running");
  const std::string said = KTRIAL_TRY(qmp_->human(
      "gdbserver unix:" + option_value(socket.string()) + ",server=on,wait=off", patience));
  std::error_code error;
  if (std::filesystem::exists(socket, error)) return {};
  return fail(ErrorKind::environment, "QEMU lets no gdb in: " + said);
}

// QEMU has stopped the vCPUs of a guest that ended, and waits for us.
void QemuVm::end_stopped_guest() {
  if (shutdown_ != "guest-shutdown") {
    auto own = PrivatePages::open(child_->pid(), ram_.fd.get(), config_.memory_mib << 20);
    if (own)
      if (auto copy = copy_of_ram(ram_.fd.get(), config_.memory_mib << 20, **own))
        last_ram_ = *std::move(copy);
  }
  qmp_->tell("quit");
}

void QemuVm::on_part_ended() {
  if (--open_parts_ > 0 || !exit_status_) return;
  sink_(Exited{*exit_status_, without_warnings(last_words_)});
}

void QemuVm::on_qmp_event(const std::string& event, const json& data) {
  if (event == "SHUTDOWN") {
    shutdown_ = data.value("reason", "guest-shutdown");
    if (data.value("guest", false)) sink_(GuestShutdown{shutdown_});
  } else if (event == "STOP" && !shutdown_.empty() && !ram_.shared) {
    end_stopped_guest();
  } else if (auto stopped = stop_told_by(event, data, paused_ || late_stop_)) {
    sink_(std::move(*stopped));
  }
  if (event == "STOP") late_stop_ = false;
}

Result<Fd> QemuVm::take_port(const std::string& port_name) {
  auto it = ports_.find(port_name);
  if (it == ports_.end() || !it->second)
    return fail(ErrorKind::internal, "no virtio-serial port " + port_name);
  return std::move(it->second);
}

Result<std::vector<VcpuSample>> QemuVm::sample_vcpus(milliseconds patience) {
  if (!qmp_) return fail(ErrorKind::environment, "the VM is not running");
  if (vcpu_threads_.empty()) {
    vcpu_threads_ = thread_ids(KTRIAL_TRY(qmp_->execute("query-cpus-fast", nullptr, patience)));
  }
  const bool was_paused = paused_;
  KTRIAL_TRY(pause(patience));
  auto text = qmp_->human("info registers -a", patience);
  if (!was_paused) KTRIAL_TRY(resume(patience));
  if (!text) return std::unexpected(text.error());
  auto samples = parse_registers(*text, config_.arch->registers);
  // The one that is held stands within a chain of blocks: its own word is of before that.
  if (const auto hold = instrument_ ? instrument_->held() : std::nullopt)
    for (VcpuSample& vcpu : samples)
      if (vcpu.cpu == hold->cpu) vcpu.ip = hold->address;
  return samples;
}

Status QemuVm::pause(milliseconds patience) {
  if (!qmp_) return fail(ErrorKind::environment, "the VM is not running");
  if (paused_ || (instrument_ && instrument_->held())) return {};
  paused_ = late_stop_ = true;  // before the event comes
  auto stopped = qmp_->execute("stop", nullptr, patience);
  if (!stopped) {
    paused_ = false;
    qmp_->tell("cont");  // a QEMU that the host held up obeys both when it goes on
  }
  KTRIAL_TRY(std::move(stopped));
  return {};
}

Status QemuVm::resume(milliseconds patience) {
  if (!qmp_) return fail(ErrorKind::environment, "the VM is not running");
  if (!paused_ || (instrument_ && instrument_->held())) return {};
  KTRIAL_TRY(qmp_->execute("cont", nullptr, patience));
  paused_ = false;
  return {};
}

Result<GuestRam> QemuVm::ram(milliseconds patience) {
  if (!ram_.fd || !qmp_) return fail(ErrorKind::environment, "the VM is not running");
  const std::uint64_t bytes = config_.memory_mib << 20;
  std::shared_ptr<const PrivatePages> own;
  if (!ram_.shared && !last_ram_)
    if (auto pages = PrivatePages::open(child_->pid(), ram_.fd.get(), bytes)) own = *pages;
  const bool hidden = !ram_.shared && !last_ram_ && !own;
  if (!config_.share_ram || hidden)
    return dump_ram([&](const auto& command, const json& arguments,
                        milliseconds wait) { return qmp_->execute(command, arguments, wait); },
                    bytes, *config_.machine, patience);
  Fd copy(::fcntl((last_ram_ ? last_ram_ : ram_.fd).get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno("guest RAM", errno);
  return GuestRam{std::move(copy), bytes, config_.machine, std::move(own)};
}

Status QemuVm::inject_nmi(milliseconds patience) {
  if (!qmp_) return fail(ErrorKind::environment, "the VM is not running");
  KTRIAL_TRY(qmp_->execute("inject-nmi", nullptr, patience));
  return {};
}

Result<std::string> QemuVm::status(milliseconds patience) {
  if (!qmp_) return fail(ErrorKind::environment, "the VM is not running");
  json answer = KTRIAL_TRY(qmp_->execute("query-status", nullptr, patience));
  return answer.value("status", "unknown");
}

// Order: the process first, so that no callback finds half a machine; then the
// streams, whose handlers refer to us.
void QemuVm::destroy() {
  if (child_) child_->kill();
  qmp_.reset();
  if (console_) console_->stop();
  if (errors_) errors_->stop();
  if (holds_) holds_->stop();
  holds_.reset();
  console_.reset();
  errors_.reset();
  child_.reset();
  ports_.clear();
  ram_ = {};
  last_ram_.reset();
}

}  // namespace

Result<std::unique_ptr<Vm>> make_qemu_vm(asio::io_context& io, const QemuInstall& qemu,
                                         const VmConfig& config) {
  return std::make_unique<QemuVm>(io, qemu, config);
}

}  // namespace ktrial::vm
