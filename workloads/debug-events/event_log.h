// What a debugger tells of the tasks that it traces, and the rules of such a log:
// those of the Intel GPU debugger tests (IGT, lib/xe/xe_eudebug.c), for ptrace.
// Pure: logs in, a sentence out that names the contradiction; empty if there is none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ktrial::debug_events {

enum class Kind : std::uint32_t { attach, fork, vfork, clone, exec, exit, detach };
const char* name_of(Kind kind);
// A task is under the debugger from its creation (attach: found by the debugger; or
// born of a traced task) to its destruction (exit, detach).
bool creates(Kind kind);
bool destroys(Kind kind);

struct Event {
  std::uint32_t seqno;  // 1, 2, 3, ...
  Kind kind;
  std::int32_t task;  // the new one, of fork, vfork and clone
  std::int32_t by;    // the parent, of fork, vfork and clone; else 0
  std::uint32_t ref;  // the seqno of the creation of `by` or of `task`; 0 of attach
};
// What a client, or the proc connector, knows of its own.
struct Entry {
  Kind kind;
  std::int32_t task;
  bool operator==(const Entry&) const = default;
};

// Sequence numbers are dense; each reference is to an earlier creation of the right
// task; nothing is told of a task before its creation or after its destruction; none
// is created while it is there. `whole`: nothing is left at the end.
std::string check_log(const std::vector<Event>& log, bool whole);

// The births that the debugger tells of `client`, with what became of those tasks,
// against the client's own log. `whole`: one-to-one. Else the debugger left early: its
// births are the first of the client's, in order, and it tells nothing else.
std::string check_client(const std::vector<Event>& log, std::int32_t client,
                         const std::vector<Entry>& own, bool whole);

// What the proc connector tells of the tasks born under the debugger: each born, exec'd
// and ended as often as the debugger says. It does not know vfork and clone: all are fork.
std::string check_witness(const std::vector<Event>& log, const std::vector<Entry>& witness);

// The tasks of a client that was attached to while it made them: found, each once.
std::string check_discovery(const std::vector<Event>& log, const std::vector<std::int32_t>& tasks);

// A stage is signalled after it was announced, and the next is announced after that.
struct Token {
  bool signal;  // by the debugger; else announced by the client
  std::uint32_t stage;
};
std::string check_tokens(const std::vector<Token>& tokens, std::uint32_t stages);

// The byte at `i` of a client's memory in a stage.
constexpr unsigned char pattern(std::size_t i, std::uint32_t stage) {
  return static_cast<unsigned char>(i + (i > 4096) + stage);
}

}  // namespace ktrial::debug_events
