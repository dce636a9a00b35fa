// What a guest sends of its trace, kept until it is looked at. Bounded.
#pragma once

#include <chrono>
#include <optional>

#include "guest/wire/wire.h"
#include "harness/trace/collected.h"

namespace ktrial::trial {

// Of all files together, in bytes; a guest has no use for more.
inline constexpr std::size_t kMaxTraceBytes = 160u << 20;
inline constexpr std::size_t kMaxTraceFiles = 8192;

class TraceInbox {
 public:
  // True if the message was one about a trace.
  bool take(wire::Message& message);

  const std::optional<wire::TraceReady>& ready() const { return ready_; }
  const std::optional<wire::TraceEnd>& end() const { return end_; }
  // Of pieces that came so far: whether there is progress.
  std::size_t bytes() const { return bytes_; }
  const trace::TraceFiles& files() const { return files_; }
  // Not empty: what came was not all kept, and why.
  const std::string& trouble() const { return trouble_; }

 private:
  void add(wire::TraceFile file);

  std::optional<wire::TraceReady> ready_;
  std::optional<wire::TraceEnd> end_;
  trace::TraceFiles files_;
  std::size_t bytes_ = 0;
  std::string trouble_;
};

}  // namespace ktrial::trial
