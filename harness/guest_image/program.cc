#include "harness/guest_image/program.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "harness/arch/arch.h"
#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/kernel/elf.h"
#include "harness/spec/timeouts.h"

namespace ktrial::guest_image {
namespace fs = std::filesystem;
namespace {

constexpr int kMaxLinks = 40;             // as the kernel's MAXSYMLINKS
constexpr int kMaxInterpreters = 4;       // as fs/exec.c: a script run by a script
constexpr std::size_t kScriptLine = 256;  // BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h
constexpr std::size_t kMaxHead = 64 * 1024;

// Where glibc looks without a cache or RPATH; the guest has no ld.so.cache.
std::vector<std::string> default_library_dirs() {
  const std::string& triplet = arch::native().triplet;
  return {"/lib/" + triplet, "/usr/lib/" + triplet, "/lib", "/usr/lib", "/lib64", "/usr/lib64"};
}

// A path in PATH, or nothing.
std::optional<fs::path> find_in_path(const std::string& name) {
  const char* path = ::getenv("PATH");
  std::istringstream directories(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  std::error_code error;
  for (std::string directory; std::getline(directories, directory, ':');) {
    const fs::path candidate = fs::path(directory.empty() ? "." : directory) / name;
    if (fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0)
      return fs::absolute(candidate, error).lexically_normal();
  }
  return std::nullopt;
}

Result<fs::path> locate(const std::string& command) {
  std::error_code error;
  if (command.empty()) return usage_error("empty command", "ktrial run -- CMD ARGS");
  if (!command.contains('/')) {
    if (auto found = find_in_path(command)) return *found;
    return usage_error("command " + command + " is not in PATH",
                       "write ./" + command + " for a file of this folder");
  }
  const fs::path path = fs::absolute(command, error).lexically_normal();
  if (!fs::exists(path, error)) return usage_error("command " + command + " does not exist");
  if (fs::is_directory(path, error)) return usage_error("command " + command + " is a directory");
  if (::access(path.c_str(), X_OK) != 0)
    return usage_error("command " + command + " is not executable", "chmod +x " + command);
  return path;
}

// "#!/usr/bin/env -S python3 -u": the words.
std::vector<std::string> interpreter_words(std::string_view head) {
  head = head.substr(2, kScriptLine);
  std::istringstream line{std::string(head.substr(0, head.find('\n')))};
  std::vector<std::string> words;
  for (std::string word; line >> word;) words.push_back(word);
  return words;
}

struct Library {
  std::string name;  // as in DT_NEEDED; empty for the loader itself
  std::string path;  // empty: not found
};

// "\tlibc.so.6 => /lib/.../libc.so.6 (0x...)", "\tlibx.so => not found",
// "\t/lib64/ld-linux-x86-64.so.2 (0x...)", "\tlinux-vdso.so.1 (0x...)".
std::vector<Library> parse_loader_list(const std::string& text) {
  std::vector<Library> libraries;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (const std::size_t address = line.rfind(" (0x"); address != std::string::npos)
      line.resize(address);
    line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
    const std::size_t arrow = line.find(" => ");
    if (arrow != std::string::npos) {
      std::string path = line.substr(arrow + 4);
      libraries.push_back({line.substr(0, arrow), path.starts_with('/') ? path : ""});
    } else if (line.starts_with('/')) {
      libraries.push_back({"", line});
    }
  }
  return libraries;
}

class Packer {
 public:
  explicit Packer(std::stop_token stop) : stop_(std::move(stop)) {}

  Status add_executable(const fs::path& path, int depth) {
    if (!packed_.insert(path.string()).second) return {};
    KTRIAL_TRY(add_path(path));
    Fd fd = KTRIAL_TRY(open_file(path, O_RDONLY));
    std::string head(kMaxHead, '\0');
    const ssize_t size = ::pread(fd.get(), head.data(), head.size(), 0);
    if (size < 0) return fail_errno("read " + path.string(), errno);
    head.resize(static_cast<std::size_t>(size));
    if (head.starts_with("#!")) return add_script(path, head, depth);
    if (!kernel::is_elf(head))
      return usage_error(path.string() + " is neither an ELF program nor a script with #!",
                         "start a shell script with #!/bin/sh");
    Status added = add_elf(path, fd.get(), head);
    if (!added) return std::unexpected(std::move(added).error().in(path.string()));
    return {};
  }

  std::vector<Entry> take_entries() {
    std::vector<Entry> result;
    for (auto& [path, entry] : entries_) result.push_back(std::move(entry));
    return result;
  }
  std::vector<std::string> take_notes() { return std::move(notes_); }

 private:
  Status add_script(const fs::path& path, const std::string& head, int depth) {
    if (depth >= kMaxInterpreters)
      return usage_error(path.string() + ": script interpreters are nested too deep");
    const std::vector<std::string> words = interpreter_words(head);
    if (words.empty() || !words[0].starts_with('/'))
      return usage_error(path.string() + ": its #! line names no absolute path");
    auto interpreter = locate(words[0]);
    if (!interpreter)
      return usage_error(path.string() + ": interpreter " + words[0] + " is missing on this host");
    notes_.push_back(path.string() + " is a script: only its interpreter " + words[0] +
                     " comes along, not the commands or library files that it uses");
    KTRIAL_TRY(add_executable(*interpreter, depth + 1));
    if (interpreter->filename() != "env") return {};
    // env looks its argument up in PATH.
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i].starts_with('-') || words[i].contains('=')) continue;
      auto program = locate(words[i]);
      if (!program) return std::unexpected(std::move(program).error().in(path.string()));
      return add_executable(*program, depth + 1);
    }
    return usage_error(path.string() + ": #!" + words[0] + " names no program");
  }

  Status add_elf(const fs::path& path, int fd, const std::string& head) {
    const kernel::ElfHeader header = KTRIAL_TRY(kernel::read_elf_header(head));
    if (const arch::Arch& guest = arch::native(); header.machine != guest.elf_machine)
      return usage_error("a program for " + kernel::machine_name(header.machine) +
                             ", but the guest is " + guest.name,
                         "build it for " + guest.name);
    if (!header.is_64bit_little_endian || (header.type != ET_EXEC && header.type != ET_DYN))
      return usage_error("an ELF file, but not a 64-bit program");
    for (const kernel::ElfSegment& segment : KTRIAL_TRY(kernel::read_segments(header, head))) {
      if (segment.type != PT_INTERP || segment.file_size == 0) continue;
      std::string loader(std::min<std::uint64_t>(segment.file_size, 4096), '\0');
      const ssize_t n =
          ::pread(fd, loader.data(), loader.size(), static_cast<off_t>(segment.offset));
      loader.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
      return add_libraries(path, loader.substr(0, loader.find('\0')));
    }
    return {};  // static
  }

  // The loader is asked rather than DT_NEEDED walked: RPATH, RUNPATH, $ORIGIN,
  // LD_LIBRARY_PATH and the cache then mean exactly what they mean when the
  // program runs here. It maps the libraries but starts no code of theirs.
  Status add_libraries(const fs::path& program, const std::string& loader) {
    if (::access(loader.c_str(), X_OK) != 0)
      return usage_error("its dynamic loader " + loader + " is missing on this host",
                         "link the program statically");
    KTRIAL_TRY(add_path(loader));
    // The host's CPU may pick library variants (glibc-hwcaps) that the guest's
    // CPU cannot run or its loader does not look for.
    CommandOutput output =
        KTRIAL_TRY(list({loader, "--glibc-hwcaps-mask", "none", "--list", program.string()}));
    if (!output.ok() && output.out.empty())  // musl, or glibc before 2.33
      output = KTRIAL_TRY(list({loader, "--list", program.string()}));
    for (const Library& library : parse_loader_list(output.out)) {
      if (library.path.empty())
        return usage_error("shared library " + library.name + " is missing on this host",
                           "install it, or set LD_LIBRARY_PATH");
      KTRIAL_TRY(add_path(library.path));
      KTRIAL_TRY(make_findable(library));
    }
    if (!output.ok())
      return usage_error(
          "its shared libraries cannot be listed: " + output.err.substr(0, output.err.find('\n')),
          "see what `ldd " + program.string() + "` says");
    return {};
  }

  Result<CommandOutput> list(std::vector<std::string> argv) {
    CommandOptions options;
    options.timeout = spec::host_wait(spec::HostWait::library_list);
    options.environment = {{"LD_PRELOAD", ""}, {"LD_AUDIT", ""}};
    options.stop = stop_;
    return run_command(argv, options);
  }

  // A library that came from ld.so.cache or LD_LIBRARY_PATH lies where the
  // guest's loader does not look: a link from /usr/lib leads it there.
  Status make_findable(const Library& library) {
    const fs::path path(library.path);
    const std::vector<std::string> known = default_library_dirs();
    if (library.name.empty() || library.name.contains('/') ||
        std::ranges::find(known, path.parent_path().string()) != known.end())
      return {};
    const std::string link = "/usr/lib/" + library.name;
    entries_.try_emplace(link, Entry{link, Symlink{library.path}, 0777});
    return {};
  }

  // The file at `path` and each symbolic link on the way to it, so that every
  // name by which the host knows it works in the guest.
  Status add_path(const fs::path& path) {
    std::deque<std::string> pending;
    for (const fs::path& part : path.lexically_normal()) pending.push_back(part.string());
    fs::path current;
    int links = 0;
    while (!pending.empty()) {
      const std::string part = std::move(pending.front());
      pending.pop_front();
      if (part.empty() || part == ".") continue;
      if (part == "/" || part == "..") {
        current = part == "/" ? fs::path("/") : current.parent_path();
        continue;
      }
      const fs::path next = current / part;
      struct stat info{};
      if (::lstat(next.c_str(), &info) != 0)
        return fail_errno(next.string(), errno, ErrorKind::usage);
      if (!S_ISLNK(info.st_mode)) {
        current = next;
        if (!S_ISDIR(info.st_mode)) KTRIAL_TRY(add_file(next, info));
        continue;
      }
      if (++links > kMaxLinks) return usage_error(path.string() + ": too many symbolic links");
      std::error_code error;
      const fs::path target = fs::read_symlink(next, error);
      if (error) return fail_errno(next.string(), error.value());
      entries_.try_emplace(next.string(), Entry{next.string(), Symlink{target.string()}, 0777});
      std::deque<std::string> parts;
      for (const fs::path& target_part : target) parts.push_back(target_part.string());
      pending.insert(pending.begin(), parts.begin(), parts.end());
    }
    return {};
  }

  Status add_file(const fs::path& path, const struct stat& info) {
    if (!S_ISREG(info.st_mode)) return usage_error(path.string() + " is not a regular file");
    for (const char* mounted : {"/proc/", "/sys/", "/dev/"})
      if (path.string().starts_with(mounted))
        return usage_error(path.string() + " lies where the guest mounts its own " + mounted,
                           "copy it to another folder");
    // Owner is root in the guest: its bits are the ones that count, and set-id
    // bits have no meaning there.
    entries_.try_emplace(path.string(),
                         Entry{path.string(), HostFile{path}, (info.st_mode & 0777) | 0500});
    return {};
  }

  std::stop_token stop_;
  std::map<std::string, Entry> entries_;
  std::set<std::string> packed_;
  std::vector<std::string> notes_;
};

}  // namespace

Result<PackedProgram> pack_program(const std::string& command, std::stop_token stop) {
  const fs::path path = KTRIAL_TRY(locate(command));
  Packer packer(std::move(stop));
  KTRIAL_TRY(packer.add_executable(path, 0));
  return PackedProgram{path.string(), packer.take_entries(), packer.take_notes()};
}

}  // namespace ktrial::guest_image
