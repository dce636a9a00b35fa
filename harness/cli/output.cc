#include "harness/cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "harness/base/file.h"

namespace ktrial::cli {
namespace {

int first_error = 0;  // errno of the first write to stdout that failed

void keep_error() {
  if (first_error == 0) first_error = errno;
}

}  // namespace

void write_stdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) keep_error();
}

void write_stderr(std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), stderr); }

Status write_document(std::string_view document, const std::string& file) {
  if (file.empty() || file == "-") {
    write_stdout(document);
    return {};
  }
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (std::filesystem::is_directory(status))
    return usage_error("-o " + file + " is a folder", "name a file in it");
  if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status))
    return write_file_atomically(file, document);
  const Fd fd = KTRIAL_TRY(open_file(file, O_WRONLY));
  return write_all(fd.get(), document, file);
}

void hold_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)::open("/dev/null", O_RDWR);
}

Status finish_output() {
  if (std::fflush(stdout) != 0) keep_error();
  if (first_error == 0 || first_error == EPIPE) return {};
  Error error = system_error("write to stdout", first_error);
  if (first_error == ENOSPC) error.hint = "free some disk space; the result is not written whole";
  return std::unexpected(std::move(error));
}

}  // namespace ktrial::cli
