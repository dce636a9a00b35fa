// Gives a command its root, its folder and its standard input, and becomes it. What is wrong before
// the command runs ends it with 126 (127: not found), as a shell does: that says nothing of the
// kernel.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "guest/userland/options.h"
#include "guest/userland/root.h"
#include "guest/userland/terminal.h"

using namespace ktrial::userland;

namespace {

[[noreturn]] void give_up(const std::string& why, int status) {
  fprintf(stderr, "ktrial: %s\n", why.c_str());
  _exit(status);
}

// Opened before the root is entered: it lies in the initramfs.
void take_input(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) give_up("cannot read the input: " + std::string(strerror(errno)), 126);
  dup2(fd, STDIN_FILENO);
}

void name_host() {
  utsname names{};
  if (uname(&names) == 0 && strcmp(names.nodename, "(none)") == 0) sethostname("ktrial", 6);
}

}  // namespace

int main(int argc, char** argv) {
  std::string problem, notes;
  const Options options = parse({argv + 1, argv + argc}, problem);
  if (!problem.empty()) give_up(problem, 126);
  if (!options.input.empty()) take_input(options.input);
  name_host();
  TerminalPorts ports;
  if (!options.terminal.empty()) ports = open_ports(options.terminal, options.control, problem);
  if (!problem.empty()) give_up(problem, 126);
  problem = options.has_root() ? enter_root(options, notes) : show_output(options, "");
  if (!problem.empty()) give_up(problem, 126);
  if (!notes.empty()) fprintf(stderr, "ktrial: %s\n", notes.c_str());
  if (!options.cwd.empty() && chdir(options.cwd.c_str()) != 0)
    give_up("the guest has no folder " + options.cwd + ": " + strerror(errno), 126);
  if (options.cwd.empty() && !options.try_cwd.empty() && chdir(options.try_cwd.c_str()) != 0)
    fprintf(stderr, "ktrial: the guest does not see %s; starting in /\n", options.try_cwd.c_str());

  // All that follow the first one wait for their ports in the new root, too.
  if (!options.terminal.empty() && !serve_more_terminals(options.terminal)) enter_terminal(ports);

  std::vector<char*> words;
  for (const std::string& word : options.command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  const bool absent = errno == ENOENT;
  give_up("the guest cannot run " + options.command[0] + ": " + strerror(errno),
          absent ? 127 : 126);
}
