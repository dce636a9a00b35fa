// One job in a process of its own: started, heard, ended.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include "harness/base/result.h"
#include "harness/engine/engine.h"

namespace ktrial::engine {

class JobProcess {
 public:
  // Starts `program job FILE`; FILE is a memory object that the process inherits, so that nothing
  // is left on disk. `heard` gets its events, `ended` is called once, when it is over and all that
  // it said was heard; it may destroy this object later, but not at once.
  static Result<std::unique_ptr<JobProcess>> start(boost::asio::io_context& io,
                                                   const std::filesystem::path& program,
                                                   const run::Job& job, run::Sink heard,
                                                   std::function<void()> ended);
  virtual ~JobProcess() = default;  // kills it, if it runs

  // SIGTERM, and SIGKILL after `patience`.
  virtual void end(std::chrono::milliseconds patience) = 0;
  // After `ended`.
  virtual How how() const = 0;
  virtual const std::optional<run::Begun>& begun() const = 0;
  virtual const std::optional<run::Made>& made() const = 0;
};

}  // namespace ktrial::engine
