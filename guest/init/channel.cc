#include "guest/init/channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
// After sys/socket.h, whose types it uses.
#include <linux/vm_sockets.h>

#include "guest/init/system.h"

namespace ktrial::init {
namespace {

constexpr char kPortsFolder[] = "/sys/class/virtio-ports";
constexpr long kRetryNs = 1'000'000;

int fail(std::string& problem, const std::string& what, int error) {
  problem = with_errno(what, error);
  return -1;
}

int open_vsock(std::uint32_t port, std::string& problem) {
  const std::string what = "cannot connect to vsock port " + std::to_string(port) + " of the host";
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(problem, what + " (is the vsock module packed?)", errno);
  sockaddr_vm address = {};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_HOST;
  address.svm_port = port;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    fail(problem, what, errno);
    close(fd);
    return -1;
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

// "vport1p2" for the port called `name`, or empty.
std::string find_port(const std::string& name) {
  DIR* folder = opendir(kPortsFolder);
  if (!folder) return {};
  std::string found;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    const auto text = read_small_file(std::string(kPortsFolder) + "/" + entry->d_name + "/name");
    if (text && *text == name + "\n") found = entry->d_name;
  }
  closedir(folder);
  return found;
}

int open_port(const std::string& name, std::string& problem) {
  const std::string port = find_port(name);
  if (port.empty()) return fail(problem, "no virtio-serial port " + name, ENODEV);
  const int fd = open(("/dev/" + port).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fail(problem, "cannot open /dev/" + port, errno);
  return fd;
}

// A port is usable once the kernel knows that the host has its end open;
// until then it reads as ended.
bool host_is_there(int fd) {
  pollfd state = {fd, POLLOUT, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & (POLLOUT | POLLHUP)) == POLLOUT;
}

void try_open(const ChannelOptions& options, Channel& channel) {
  channel.problem.clear();
  if (options.vsock) {
    if (channel.control < 0) channel.control = open_vsock(options.control_port, channel.problem);
    if (channel.control >= 0 && channel.beat < 0) {
      channel.beat = open_vsock(options.beat_port, channel.problem);
    }
    return;
  }
  if (channel.control < 0) channel.control = open_port(wire::kControlName, channel.problem);
  if (channel.beat < 0) channel.beat = open_port(wire::kBeatName, channel.problem);
  if (!channel.problem.empty()) return;
  if (!host_is_there(channel.control) || !host_is_there(channel.beat)) {
    channel.problem = "the host has not opened its end of a virtio-serial port";
  }
}

std::uint32_t port_option(const std::string& command_line, const char* name, std::uint32_t value) {
  const auto text = command_line_value(command_line, name);
  if (!text) return value;
  const auto number = parse_number(*text);
  if (number && *number < VMADDR_PORT_ANY) return static_cast<std::uint32_t>(*number);
  say(std::string(name) + "=" + *text + " is no port number");
  return value;
}

}  // namespace

ChannelOptions channel_options(const std::string& command_line) {
  ChannelOptions options;
  options.vsock = command_line_value(command_line, "ktrial.channel") == "vsock";
  options.control_port = port_option(command_line, "ktrial.control_port", options.control_port);
  options.beat_port = port_option(command_line, "ktrial.beat_port", options.beat_port);
  return options;
}

Channel open_channel(const ChannelOptions& options, std::uint64_t deadline_ns) {
  Channel channel;
  for (;;) {
    try_open(options, channel);
    if (channel.problem.empty() || monotonic_ns() >= deadline_ns) return channel;
    const timespec pause = {0, kRetryNs};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace ktrial::init
