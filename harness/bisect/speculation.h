// One kernel that is made while trials run, because the search may want it next.
#pragma once

#include <future>
#include <optional>
#include <stop_token>
#include <string>

#include "harness/bisect/lab.h"

namespace ktrial::bisect {

class Speculation {
 public:
  // `lab` must outlive this.
  explicit Speculation(Lab& lab) : lab_(lab) {}
  // Stops what is under way and waits for its end.
  ~Speculation() { stop(); }
  Speculation(const Speculation&) = delete;
  Speculation& operator=(const Speculation&) = delete;

  bool busy() const { return future_.valid(); }
  const std::string& commit() const { return commit_; }
  // Begins to make `commit`, on the time that the trials leave. Not when busy.
  void begin(const std::string& commit);
  // What came of it, if it is done by now; it is idle then.
  std::optional<Result<Made>> poll();
  // Waits for it. A signal (SIGINT, SIGTERM) ends the wait: ErrorKind::interrupted.
  Result<Made> wait();
  void stop();

 private:
  Lab& lab_;
  std::string commit_;
  std::stop_source stop_;
  std::future<Result<Made>> future_;
};

}  // namespace ktrial::bisect
