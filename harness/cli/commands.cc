#include "harness/cli/commands.h"

namespace ktrial::cli {

void add_commands(CLI::App& app, Action& action, const Invocation& invocation) {
  add_run(app, action, invocation);
  add_shell(app, action, invocation);
  add_analyze(app, action);
  add_doctor(app, action);
  add_workload(app, action);
  add_selftest(app, action, invocation);
  add_bisect(app, action, invocation);
  add_campaign(app, action, invocation);
  add_compare(app, action, invocation);
  add_reproduce(app, action, invocation);
  add_kernel(app, action);
  add_report(app, action);
  add_replay(app, action, invocation);
  add_trace(app, action);
  add_open(app, action);
  add_gdb(app, action, invocation);
  add_drgn(app, action);
  add_job(app, action);
  add_completion(app, action);
  add_manual(app, action);
}

}  // namespace ktrial::cli
