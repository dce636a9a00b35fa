#include "guest/init/park.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "guest/init/agent.h"
#include "guest/init/counters.h"
#include "guest/init/spawn.h"
#include "guest/init/system.h"
#include "guest/init/tracing.h"

namespace ktrial::init {
namespace {

bool send_whole(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (wrote < 0 && errno == EAGAIN) {
      pollfd state = {fd, POLLOUT, 0};
      poll(&state, 1, -1);
    } else if (wrote < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

// random(4): the bytes count as entropy, and all CPUs' generators are made anew from them.
void reseed(const std::string& seed, std::vector<std::string>& problems) {
  constexpr std::size_t kMost = 512;
  const std::size_t size = std::min(seed.size(), kMost);
  alignas(rand_pool_info) char buffer[sizeof(rand_pool_info) + kMost] = {};
  auto* info = reinterpret_cast<rand_pool_info*>(buffer);
  info->entropy_count = static_cast<int>(size * 8);
  info->buf_size = static_cast<int>(size);
  seed.copy(buffer + sizeof(rand_pool_info), size);
  const int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return problems.push_back(with_errno("cannot reseed: /dev/urandom", errno));
  if (ioctl(fd, RNDADDENTROPY, info) != 0)
    problems.push_back(with_errno("cannot reseed: RNDADDENTROPY", errno));
  else if (ioctl(fd, RNDRESEEDCRNG) != 0)
    problems.push_back(with_errno("cannot reseed: RNDRESEEDCRNG", errno));
  close(fd);
}

}  // namespace

bool wants_to_park(const std::string& command_line) {
  return command_line_value(command_line, "ktrial.park") == "1";
}

void rehearse(const std::string& program) {
  (void)read_counters();
  (void)TraceClock().read();
  const Spawned spawned = spawn({.argv = {program}, .env = {}}, -1);
  if (spawned.error != 0) return say(spawned.problem);
  waitpid(spawned.pid, nullptr, 0);
  for (const int fd : {spawned.out, spawned.err, spawned.progress}) close(fd);
}

std::optional<wire::Resume> park(int control, const std::string& command_line,
                                 std::string& problem) {
  const auto stop = [&](std::string why) {
    problem = std::move(why);
    return std::nullopt;
  };
  if (!send_whole(control, wire::encode(make_hello(command_line))))
    return stop(with_errno("the control stream is lost", errno));
  wire::Decoder decoder;
  for (;;) {
    pollfd state = {control, POLLIN, 0};
    if (poll(&state, 1, -1) < 0 && errno != EINTR) return stop(with_errno("poll", errno));
    char chunk[4096];
    const ssize_t got = read(control, chunk, sizeof(chunk));
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return stop(with_errno("the control stream is lost", errno));
    // The template's host has gone; who resumes a copy is yet to come.
    if (got == 0) {
      const timespec pause = {0, 1'000'000};
      nanosleep(&pause, nullptr);
      continue;
    }
    decoder.feed({chunk, static_cast<std::size_t>(got)});
    if (auto message = decoder.next()) {
      if (auto* resume = std::get_if<wire::Resume>(&*message)) return std::move(*resume);
      return stop("parked, and the first word was not Resume");
    }
    if (!decoder.error().empty()) return stop("control stream: " + decoder.error());
  }
}

std::vector<std::string> become_oneself(const wire::Resume& resume) {
  std::vector<std::string> problems;
  if (!resume.seed.empty()) reseed(resume.seed, problems);
  if (resume.wall_ns != 0) {
    const timespec now = {static_cast<time_t>(resume.wall_ns / 1'000'000'000),
                          static_cast<long>(resume.wall_ns % 1'000'000'000)};
    if (clock_settime(CLOCK_REALTIME, &now) != 0)
      problems.push_back(with_errno("cannot set the clock", errno));
  }
  return problems;
}

ChannelOptions channel_of(const wire::Resume& resume) {
  ChannelOptions options;
  options.vsock = resume.control_port != 0;
  if (options.vsock) {
    options.control_port = resume.control_port;
    options.beat_port = resume.beat_port;
  }
  return options;
}

}  // namespace ktrial::init
