#include "harness/vm/libvirt/libvirt_vm.h"

#include <fmt/format.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/spec/timeouts.h"
#include "harness/vm/libvirt/domain.h"
#include "harness/vm/libvirt/files.h"
#include "harness/vm/libvirt/local_process.h"
#include "harness/vm/libvirt/stream.h"
#include "harness/vm/libvirt/xml.h"
#include "harness/vm/qemu/argv.h"
#include "harness/vm/qemu/qmp_answers.h"
#include "harness/vm/qemu/registers.h"

namespace ktrial::vm {
namespace asio = boost::asio;
using nlohmann::json;
using std::chrono::milliseconds;
namespace {
milliseconds start_patience() { return spec::host_wait(spec::HostWait::libvirt_start); }
milliseconds call_patience() { return spec::host_wait(spec::HostWait::libvirt_call); }
constexpr milliseconds kQuiet{100};  // of a paused guest's console: it has been read
// A libvirtd that answers no ping for that long is as good as dead.
constexpr int kPingSeconds = 10, kPings = 6;

class LibvirtVm final : public Vm, public FarHost {
 public:
  LibvirtVm(asio::io_context& io, const LibvirtInstall& libvirt, const VmConfig& config,
            DomainIdentity identity, std::string xml)
      : io_(io),
        libvirt_(libvirt),
        config_(config),
        identity_(std::move(identity)),
        xml_(std::move(xml)),
        quiet_(io) {}
  ~LibvirtVm() override { destroy(); }

  Status start(Sink sink) override;
  Result<Fd> take_port(const std::string& port_name) override;
  Result<std::vector<VcpuSample>> sample_vcpus(milliseconds patience) override;
  Status pause(milliseconds patience) override;
  Status resume(milliseconds patience) override;
  Result<GuestRam> ram(milliseconds patience) override;
  Status inject_nmi(milliseconds patience) override;
  Result<std::string> status(milliseconds patience) override;
  FarHost* far_host() override { return process_ ? nullptr : this; }
  Result<FarTimes> times(milliseconds patience) override {
    return KTRIAL_TRY(monitor(patience))->times(patience);
  }
  void destroy() override;
  pid_t process() const override { return process_ ? process_->pid() : 0; }
  std::vector<pid_t> vcpu_threads() const override {
    return process_ ? vcpu_threads_ : std::vector<pid_t>{};
  }
  std::string shell_command() const override;

 private:
  std::uint64_t ram_bytes() const { return config_.memory_mib << 20; }
  Status create();
  Status watch();
  Status open_console();
  Status open_ports();
  Status find_process();
  void on_lifecycle(int event, int detail);
  void on_monitor_event(const std::string& event, const json& data);
  void on_connection_lost(int reason);
  static void on_close(virConnectPtr, int reason, void* self) {
    static_cast<LibvirtVm*>(self)->on_connection_lost(reason);
  }
  void end_after_reset();
  void on_quiet();
  void tell_exit();
  Result<LibvirtDomain*> monitor(milliseconds patience);
  Result<StreamHandle> open_stream(const std::string& what,
                                   const std::function<int(virDomainPtr, virStreamPtr)>& open);

  asio::io_context& io_;
  const LibvirtInstall libvirt_;
  const VmConfig config_;
  const DomainIdentity identity_;
  const std::string xml_;  // for a person, who is its owner
  Sink sink_;
  // Who owns the domain: nothing that may take long goes over this connection later.
  std::optional<LibvirtConnection> owner_;
  DomainHandle domain_;
  int lifecycle_watch_ = -1, monitor_watch_ = -1;
  std::unique_ptr<LibvirtStream> console_;
  std::map<std::string, std::unique_ptr<LibvirtPort>> ports_;
  std::map<std::string, Fd> port_ends_;
  std::optional<LibvirtDomain> monitor_;  // a connection that may be given up
  std::optional<LocalProcess> process_;
  std::vector<pid_t> vcpu_threads_;
  asio::steady_timer quiet_;
  std::optional<Exited> exit_;  // told when the console has ended, too
  bool console_open_ = false;
  bool guest_ended_ = false;  // by itself: what follows is no news
  bool resetting_ = false;    // paused and about to be ended
  bool paused_ = false;       // by us
  int stops_due_ = 0;         // events of our own pauses, which may come when they are over
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // expired for what was posted
};

Status LibvirtVm::create() {
  owner_ = KTRIAL_TRY(LibvirtConnection::open(io_, libvirt_.uri, start_patience()));
  virConnectSetKeepAlive(owner_->get(), kPingSeconds, kPings);  // not every transport has it
  std::optional<LibvirtFiles> sent;                             // until QEMU has read them
  VmConfig there = config_;
  if (!libvirt_.local || !libvirt_.session) {
    std::vector<std::filesystem::path> files = {config_.kernel};
    if (!config_.initrd.empty()) files.push_back(config_.initrd);
    sent.emplace(KTRIAL_TRY(LibvirtFiles::send(*owner_, identity_.pool, files)));
    there.kernel = sent->paths().front();
    if (!config_.initrd.empty()) there.initrd = sent->paths().back();
  }
  const std::string xml = KTRIAL_TRY(domain_xml(there, identity_));
  domain_ = KTRIAL_TRY(owner_->call("starting the domain", start_patience(), [&] {
    return DomainHandle(virDomainCreateXML(owner_->get(), xml.c_str(),
                                           VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY));
  }));
  return {};
}

Status LibvirtVm::watch() {
  virConnectRegisterCloseCallback(owner_->get(), on_close, this, nullptr);
  // libvirt calls every kind of event handler through one type of pointer.
  virConnectDomainEventCallback lifecycle = [](virConnectPtr, virDomainPtr, int event, int detail,
                                               void* self) {
    static_cast<LibvirtVm*>(self)->on_lifecycle(event, detail);
    return 0;
  };
  lifecycle_watch_ = KTRIAL_TRY(owner_->call("watching the domain", start_patience(), [&] {
    return virConnectDomainEventRegisterAny(owner_->get(), domain_.get(),
                                            VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                            VIR_DOMAIN_EVENT_CALLBACK(lifecycle), this, nullptr);
  }));
  virConnectDomainQemuMonitorEventCallback event = [](virConnectPtr, virDomainPtr, const char* name,
                                                      long long, unsigned, const char* details,
                                                      void* self) {
    json data = json::parse(details != nullptr ? details : "{}", nullptr, false);
    static_cast<LibvirtVm*>(self)->on_monitor_event(
        name, data.is_object() ? std::move(data) : json::object());
  };
  monitor_watch_ = KTRIAL_TRY(owner_->call("watching QEMU's monitor", start_patience(), [&] {
    return virConnectDomainQemuMonitorEventRegister(owner_->get(), domain_.get(), nullptr, event,
                                                    this, nullptr, 0);
  }));
  return {};
}

Result<StreamHandle> LibvirtVm::open_stream(
    const std::string& what, const std::function<int(virDomainPtr, virStreamPtr)>& open) {
  StreamHandle stream(virStreamNew(owner_->get(), VIR_STREAM_NONBLOCK));
  KTRIAL_TRY(owner_->call("opening " + what, start_patience(),
                          [&] { return stream ? open(domain_.get(), stream.get()) : -1; }));
  return stream;
}

Status LibvirtVm::open_console() {
  auto stream = KTRIAL_TRY(open_stream("the console", [](auto* domain, auto* to) {
    return virDomainOpenConsole(domain, nullptr, to, VIR_DOMAIN_CONSOLE_FORCE);
  }));
  console_ = std::make_unique<LibvirtStream>(std::move(stream));
  console_open_ = true;
  return console_->run({.on_bytes =
                            [this](std::string_view bytes) {
                              if (resetting_) on_quiet();
                              sink_(ConsoleBytes{std::string(bytes)});
                            },
                        .on_writable = nullptr,
                        .on_end =
                            [this] {
                              console_open_ = false;
                              tell_exit();
                            }});
}

Status LibvirtVm::open_ports() {
  auto* serial = std::get_if<VirtioSerialPorts>(&config_.channel);
  if (serial == nullptr) return {};
  for (const std::string& name : serial->names) {
    auto stream = KTRIAL_TRY(open_stream("port " + name, [&](auto* domain, auto* to) {
      return virDomainOpenChannel(domain, name.c_str(), to, VIR_DOMAIN_CHANNEL_FORCE);
    }));
    auto& port = ports_[name] = std::make_unique<LibvirtPort>(io_, std::move(stream));
    port_ends_[name] = KTRIAL_TRY(port->run());
  }
  return {};
}

Status LibvirtVm::find_process() {
  auto* machine = KTRIAL_TRY(monitor(start_patience()));
  vcpu_threads_ =
      thread_ids(KTRIAL_TRY(machine->execute("query-cpus-fast", nullptr, start_patience())));
  if (!vcpu_threads_.empty() && libvirt_.local)
    process_ = LocalProcess::find(vcpu_threads_.front(), identity_.uuid);
  // Now: when QEMU is gone, nothing leads to its memory any more.
  if (process_) process_->hold_ram(ram_bytes());
  return {};
}

// The domain starts paused: nothing that the guest says can come before who listens.
Status LibvirtVm::start(Sink sink) {
  sink_ = std::move(sink);
  KTRIAL_TRY(create());
  KTRIAL_TRY(watch());
  KTRIAL_TRY(find_process());
  KTRIAL_TRY(open_console());
  KTRIAL_TRY(open_ports());
  KTRIAL_TRY(owner_->call("letting the domain run", start_patience(),
                          [&] { return virDomainResume(domain_.get()); }));
  return {};
}

void LibvirtVm::on_lifecycle(int event, int detail) {
  if (!sink_ || event != VIR_DOMAIN_EVENT_STOPPED || exit_) return;
  quiet_.cancel();
  const bool expected = guest_ended_ || detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN;
  exit_ = Exited{{.known = expected}, ""};
  if (!expected)
    exit_->last_words = detail == VIR_DOMAIN_EVENT_STOPPED_DESTROYED
                            ? "somebody destroyed the domain"
                            : "libvirt lost it; its log of the domain may say why";
  tell_exit();
}

void LibvirtVm::on_monitor_event(const std::string& event, const json& data) {
  if (event == "STOP" && stops_due_ > 0) return void(--stops_due_);
  if (!sink_ || guest_ended_) return;
  if (event == "SHUTDOWN" || event == "RESET") {
    if (!data.value("guest", false)) return;
    guest_ended_ = true;
    sink_(GuestShutdown{data.value("reason", "guest-shutdown")});
    // Not from within a handler of libvirt's.
    if (event == "RESET")
      asio::post(io_, [this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) end_after_reset();
      });
  } else if (auto stopped = stop_told_by(event, data, paused_)) {
    sink_(std::move(*stopped));
  }
}

// The domain would boot again. It is paused, and ended when its console has been read:
// what a terminal still holds is lost when QEMU closes it.
void LibvirtVm::end_after_reset() {
  if (!domain_ || exit_) return;
  resetting_ = true;
  (void)owner_->call("pausing the domain", call_patience(),
                     [&] { return virDomainSuspend(domain_.get()); });
  // A kernel that booted again has memory of its own: no evidence of the one before.
  auto machine = monitor(call_patience());
  if (process_ &&
      (!machine || (*machine)->may_run_a_kernel(config_.arch->registers, call_patience())))
    process_->let_ram_go("the guest may have booted again before ktrial paused it");
  on_quiet();
}

void LibvirtVm::on_quiet() {
  quiet_.expires_after(kQuiet);
  quiet_.async_wait([this](auto error) {
    if (error || !domain_) return;
    (void)owner_->call("ending the domain", call_patience(),
                       [&] { return virDomainDestroy(domain_.get()); });
  });
}

// libvirtd is gone or silent. Its domains live on without it: ours must not.
void LibvirtVm::on_connection_lost(int reason) {
  if (!sink_ || exit_) return;
  if (process_) process_->kill();
  const char* why = reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? "it no longer answers"
                    : reason == VIR_CONNECT_CLOSE_REASON_EOF     ? "it closed the connection"
                                                                 : "an error on the connection";
  exit_ = Exited{{.known = false}, fmt::format("libvirtd was lost ({})", why)};
  console_open_ = false;
  tell_exit();
}

void LibvirtVm::tell_exit() {
  if (!exit_ || console_open_ || !sink_) return;
  auto sink = std::exchange(sink_, nullptr);  // the last event
  sink(*exit_);
}

Result<LibvirtDomain*> LibvirtVm::monitor(milliseconds patience) {
  if (!domain_ || exit_) return fail(ErrorKind::environment, "the VM is not running");
  if (monitor_ && !monitor_->alive()) monitor_.reset();
  if (!monitor_)
    monitor_ = KTRIAL_TRY(LibvirtDomain::open(io_, libvirt_.uri, identity_.uuid, patience));
  return &*monitor_;
}

Result<Fd> LibvirtVm::take_port(const std::string& port_name) {
  auto it = port_ends_.find(port_name);
  if (it == port_ends_.end() || !it->second)
    return fail(ErrorKind::internal, "no virtio-serial port " + port_name);
  return std::move(it->second);
}

Result<std::vector<VcpuSample>> LibvirtVm::sample_vcpus(milliseconds patience) {
  const bool was_paused = paused_;
  KTRIAL_TRY(pause(patience));
  auto* machine = KTRIAL_TRY(monitor(patience));
  auto text = machine->human("info registers -a", patience);
  if (!was_paused) KTRIAL_TRY(resume(patience));
  if (!text) return std::unexpected(text.error());
  return parse_registers(*text, config_.arch->registers);
}

Status LibvirtVm::pause(milliseconds patience) {
  if (paused_) return {};
  auto* machine = KTRIAL_TRY(monitor(patience));
  ++stops_due_;  // before the event comes
  auto done = machine->act("pausing the guest", patience, virDomainSuspend);
  if (!done) --stops_due_;
  paused_ = done.has_value();
  return done;
}

Status LibvirtVm::resume(milliseconds patience) {
  if (!paused_) return {};
  auto* machine = KTRIAL_TRY(monitor(patience));
  KTRIAL_TRY(machine->act("letting the guest go on", patience, virDomainResume));
  paused_ = false;
  return {};
}

Result<GuestRam> LibvirtVm::ram(milliseconds patience) {
  Result<Fd> held = process_
                        ? process_->ram()
                        : fail(ErrorKind::environment,
                               "its QEMU runs on another host, or where /proc does not show it");
  if (held && config_.share_ram) return GuestRam{std::move(*held), ram_bytes(), config_.machine};
  if (exit_ && !held)
    return fail(ErrorKind::environment, "the guest's memory is gone: " + held.error().message);
  auto* machine = KTRIAL_TRY(monitor(patience));
  return machine->copy_ram(ram_bytes(), *config_.machine, patience);
}

Status LibvirtVm::inject_nmi(milliseconds patience) {
  auto* machine = KTRIAL_TRY(monitor(patience));
  return machine->act("raising an NMI", patience,
                      [](virDomainPtr domain) { return virDomainInjectNMI(domain, 0); });
}

Result<std::string> LibvirtVm::status(milliseconds patience) {
  auto* machine = KTRIAL_TRY(monitor(patience));
  return KTRIAL_TRY(machine->execute("query-status", nullptr, patience)).value("status", "unknown");
}

std::string LibvirtVm::shell_command() const {
  return "exec 3<<'KTRIAL_DOMAIN'\n" + xml_ + "KTRIAL_DOMAIN\n" +
         shell_script("virsh",
                      {"-c", libvirt_.uri, "create", "--autodestroy", "--console", "/dev/fd/3"});
}

// Order: our handlers first, so that no event finds half a machine; then the machine (at
// once where we can: libvirt asks QEMU first and waits); the connection that owns it last.
void LibvirtVm::destroy() {
  sink_ = nullptr;
  alive_.reset();
  quiet_.cancel();
  console_.reset();
  ports_.clear();
  port_ends_.clear();
  monitor_.reset();
  if (owner_) {
    virConnectUnregisterCloseCallback(owner_->get(), on_close);  // it keeps the connection alive
    if (lifecycle_watch_ >= 0) virConnectDomainEventDeregisterAny(owner_->get(), lifecycle_watch_);
    if (monitor_watch_ >= 0)
      virConnectDomainQemuMonitorEventDeregister(owner_->get(), monitor_watch_);
  }
  if (process_ && !exit_) process_->kill();
  if (domain_)
    (void)owner_->call("ending the domain", call_patience(),
                       [&] { return virDomainDestroy(domain_.get()); });
  domain_.reset();
  owner_.reset();
  process_.reset();
}

}  // namespace

Result<std::unique_ptr<Vm>> make_libvirt_vm(asio::io_context& io, const LibvirtInstall& libvirt,
                                            const VmConfig& config) {
  DomainIdentity identity = new_identity();
  std::string xml = KTRIAL_TRY(domain_xml(config, {identity.name, identity.uuid, ""}));
  return std::make_unique<LibvirtVm>(io, libvirt, config, std::move(identity), std::move(xml));
}

}  // namespace ktrial::vm
