#include "harness/reproduce/compile.h"

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/mail/message.h"
#include "harness/spec/timeouts.h"

namespace ktrial::reproduce {
namespace fs = std::filesystem;

Result<fs::path> compile(const Program& program, const fs::path& folder, std::stop_token stop) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail_errno("make " + folder.string(), error.value());
  const std::string name = program.name == "inline" ? "repro.c" : mail::harmless_name(program.name);
  const fs::path source = folder / name;
  KTRIAL_TRY(write_file_atomically(source, program.text));
  const fs::path out = folder / "repro";
  // Mails have C of any age: what gcc 14 refuses by default was a warning before.
  const std::vector<std::string> argv{"gcc", "-O1",       "-static", "-std=gnu17", "-fpermissive",
                                      "-w",  "-pthread",  "-x",      "c",          source.string(),
                                      "-o",  out.string()};
  const auto output = run_command(argv, {.timeout = spec::host_wait(spec::HostWait::module_build),
                                         .max_output = 1u << 20,
                                         .stop = stop});
  if (!output && output.error().kind == ErrorKind::interrupted)
    return std::unexpected(output.error());
  if (!output)
    return fail(ErrorKind::environment, "compile " + program.name + ": " + output.error().message,
                "install gcc, or compile it yourself and name it after --");
  if (!output->ok())
    return usage_error("compile " + program.name + ": gcc says:\n" + output->err.substr(0, 2000),
                       "mend " + source.string() + ", compile it yourself, and name it after --");
  return out;
}

}  // namespace ktrial::reproduce
