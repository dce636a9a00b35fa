#include "harness/trial/trace_inbox.h"

namespace ktrial::trial {

bool TraceInbox::take(wire::Message& message) {
  if (auto* ready = std::get_if<wire::TraceReady>(&message)) {
    ready_ = std::move(*ready);
  } else if (auto* file = std::get_if<wire::TraceFile>(&message)) {
    add(std::move(*file));
  } else if (auto* end = std::get_if<wire::TraceEnd>(&message)) {
    end_ = std::move(*end);
  } else {
    return false;
  }
  return true;
}

void TraceInbox::add(wire::TraceFile file) {
  if (end_) return;
  if (bytes_ + file.bytes.size() > kMaxTraceBytes ||
      (files_.size() >= kMaxTraceFiles && !files_.contains(file.name))) {
    trouble_ = "the guest sent more than is kept of a trace";
    return;
  }
  bytes_ += file.bytes.size();
  files_[std::move(file.name)] += file.bytes;
}

}  // namespace ktrial::trial
