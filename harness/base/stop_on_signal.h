// SIGINT and SIGTERM as a stop request, while this object lives: for work that
// blocks its thread (downloads, builds) and takes a std::stop_token.
#pragma once

#include <memory>
#include <stop_token>

namespace ktrial {

class StopOnSignal {
 public:
  StopOnSignal();
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

  std::stop_token token() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ktrial
