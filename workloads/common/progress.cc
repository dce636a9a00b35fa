#include "workloads/common/progress.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "workloads/common/arguments.h"

namespace ktrial::workload {

namespace {
constexpr std::int64_t kTick = 250'000'000;  // ns
}

Progress::Progress(const char* unit) : unit_(unit) {
  const char* text = std::getenv("KTRIAL_PROGRESS_FD");
  if (!text || !*text) return;
  char* end = nullptr;
  const long fd = std::strtol(text, &end, 10);
  if (*end || fd < 0 || fd > 1'000'000) cannot_run("KTRIAL_PROGRESS_FD=%s is no descriptor", text);
  if (fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC) < 0) return;
  fd_ = static_cast<int>(fd);
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away must not end the stress
}

void Progress::tell(std::string name, std::function<std::uint64_t()> value) {
  numbers_.emplace_back(std::move(name), std::move(value));
}

std::string Progress::told() const {
  std::string text;
  for (const auto& [name, value] : numbers_)
    text += (text.empty() ? "" : " ") + name + "=" + std::to_string(value());
  return text;
}

void Progress::report(std::uint64_t done, std::uint64_t total) {
  last_ns_ = now_ns();
  if (fd_ < 0) return;
  std::string line = std::to_string(done) + " " + std::to_string(total) + " " + unit_;
  if (!numbers_.empty()) line += "; " + told();
  line += "\n";
  // One write: a line shorter than PIPE_BUF is never torn.
  ssize_t written;
  do {
    written = write(fd_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0 && errno != EAGAIN) fd_ = -1;
}

void Progress::tick(std::uint64_t done, std::uint64_t total) {
  if (now_ns() - last_ns_ >= kTick) report(done, total);
}

}  // namespace ktrial::workload
