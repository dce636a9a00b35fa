#include "harness/introspect/witness_guest.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdlib>
#include <functional>

#include "harness/arch/host_counter.h"
#include "harness/channel/channel.h"
#include "harness/guest_image/initramfs.h"
#include "harness/guest_image/modules.h"
#include "harness/introspect/hidden_symbols.h"
#include "harness/kernel/deb/catalog.h"
#include "harness/spec/timeouts.h"
#include "harness/vm/qemu/qemu_vm.h"

namespace ktrial::introspect {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr char kPort[] = "witness";

std::chrono::milliseconds scaled(std::chrono::milliseconds patience) {
  const double scale = spec::environment_scale().value_or(1);
  return std::chrono::milliseconds(static_cast<long>(patience.count() * std::max(1.0, scale)));
}

std::string command_line(const std::string& append) {
  std::string out =
      "console=ttyS0 ignore_loglevel printk.time=1 panic=-1 audit=0 random.trust_cpu=on "
      "tsc=reliable no_timer_check ";
  if (const unsigned khz = arch::host_counter_khz(); khz != 0)
    out += fmt::format("tsc_early_khz={} lpj={} ", khz, khz * 4ull);
  return out + append;
}

Status write_guest(const kernel::Kernel& kernel, const std::filesystem::path& path) {
  std::vector<guest_image::Entry> entries = {guest_image::init_entry(KTRIAL_WITNESS)};
  const auto wanted = channel::guest_modules(channel::Kind::virtio_serial);
  const auto closure = KTRIAL_TRY(guest_image::closure(kernel, wanted));
  for (guest_image::Entry& entry : guest_image::module_entries(closure.modules))
    entries.push_back(std::move(entry));
  return guest_image::write_initramfs(std::move(entries), path);
}

}  // namespace

Result<kernel::Kernel> find_kernel(std::string_view reference) {
  const kernel::ResolveOptions options{.cache_dir = KTRIAL_TRY(kernel::default_cache_dir())};
  std::string wanted(reference);
  if (reference == kNewest) {
    wanted =
        KTRIAL_TRY(kernel::list_packages("linux-image-*-cloud-amd64", options)).back().reference();
    fmt::print("the newest kernel is {}\n", wanted);
  }
  return kernel::resolve(KTRIAL_TRY(kernel::parse_reference(wanted)), options);
}

SymbolTable without_data_symbols(const Kernel& kernel) {
  std::vector<Symbol> functions;
  for (const Symbol& one : kernel.symbols().all()) {
    const bool is_text = std::string_view("tTwW").contains(one.type);
    // scripts/kallsyms.c, symbol_valid(): the ends of text are left out, too.
    if (is_text && one.name != "_etext" && one.name != "_einittext") functions.push_back(one);
  }
  const auto hidden = find_hidden_symbols(kernel.isa(), kernel.page_tables(),
                                          Image::read(kernel.page_tables(), kernel.isa().image),
                                          SymbolTable(functions));
  functions.insert(functions.end(), hidden.begin(), hidden.end());
  return SymbolTable(std::move(functions));
}

Result<std::unique_ptr<WitnessGuest>> WitnessGuest::boot(const kernel::Kernel& kernel,
                                                         const WitnessConfig& config) {
  auto folder = KTRIAL_TRY(TempDir::create("kt-witness"));
  std::unique_ptr<WitnessGuest> guest(new WitnessGuest(std::move(folder)));
  KTRIAL_TRY(guest->start(kernel, config));
  KTRIAL_TRY(guest->vm_->pause(scaled(10s)));
  return guest;
}

Status WitnessGuest::start(const kernel::Kernel& kernel, const WitnessConfig& config) {
  const auto initramfs = folder_.path() / "initramfs";
  KTRIAL_TRY(write_guest(kernel, initramfs));
  const vm::VmConfig vm_config{.name = "witness",
                               .kernel = kernel.image,
                               .initrd = initramfs,
                               .command_line = command_line(config.append),
                               .cpus = 2,
                               .memory_mib = config.memory_mib,
                               .machine = arch::native().machine(config.machine),
                               .channel = vm::VirtioSerialPorts{{kPort}},
                               .share_ram = config.share_ram};
  const vm::QemuInstall qemu = KTRIAL_TRY(vm::find_qemu());
  vm_ = KTRIAL_TRY(vm::make_qemu_vm(io_, qemu, vm_config));
  KTRIAL_TRY(vm_->start([this](vm::VmEvent event) {
    if (auto* bytes = std::get_if<vm::ConsoleBytes>(&event)) console_ += bytes->bytes;
    if (auto* stopped = std::get_if<vm::Stopped>(&event)) ended_ = stopped->reason;
    if (auto* shut = std::get_if<vm::GuestShutdown>(&event)) ended_ = shut->reason;
    if (auto* exited = std::get_if<vm::Exited>(&event)) ended_ = "QEMU: " + exited->last_words;
  }));
  Fd port = KTRIAL_TRY(vm_->take_port(kPort));
  return listen(std::move(port));
}

Status WitnessGuest::listen(Fd port) {
  asio::posix::stream_descriptor stream(io_, port.release());
  std::array<char, 65536> buffer;
  bool whole = false;
  std::function<void()> read = [&] {
    stream.async_read_some(asio::buffer(buffer), [&](auto error, std::size_t n) {
      received_.append(buffer.data(), n);
      whole = take_sections();
      if (error) ended_ = "the port closed";
      if (!error && !whole) read();
    });
  };
  read();
  const auto deadline = std::chrono::steady_clock::now() + scaled(120s);
  while (!whole && ended_.empty() && std::chrono::steady_clock::now() < deadline)
    io_.run_one_until(deadline);
  boost::system::error_code ignored;
  stream.cancel(ignored);
  io_.poll();  // the handlers of this frame end before it
  if (whole) return {};
  return fail(
      ErrorKind::environment,
      fmt::format("the guest said nothing more ({}):\n{}", ended_.empty() ? "out of time" : ended_,
                  console_.substr(console_.size() - std::min<std::size_t>(console_.size(), 2000))));
}

bool WitnessGuest::take_sections() {
  for (;;) {
    const std::size_t line = received_.find('\n'), space = received_.find(' ');
    if (line == std::string::npos || space > line) return false;
    const std::size_t length = std::strtoull(received_.c_str() + space, nullptr, 10);
    if (received_.size() - line - 1 < length) return false;
    const std::string name = received_.substr(0, space);
    word_[name] = received_.substr(line + 1, length);
    received_.erase(0, line + 1 + length);
    if (name == "end") return true;
  }
}

Result<std::unique_ptr<RamFile>> WitnessGuest::ram() {
  return RamFile::open(KTRIAL_TRY(vm_->ram(scaled(10s))));
}

}  // namespace ktrial::introspect
