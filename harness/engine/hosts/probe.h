// Whether a host answers, asked by a process of its own: a host that is gone blocks nobody.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>

#include "harness/base/result.h"
#include "harness/engine/packing.h"

namespace ktrial::engine::hosts {

// `ktrial doctor --host URI` says it in one line of JSON; with these keys.
inline constexpr char kCpus[] = "cpus", kMemory[] = "memory_mib", kError[] = "error";
Result<Room> room_from(std::string_view json);

class Probe {
 public:
  // `answered` is called once, from the io_context; it may destroy this object later, not at once.
  static Result<std::unique_ptr<Probe>> start(boost::asio::io_context& io,
                                              const std::filesystem::path& program,
                                              const std::string& uri,
                                              std::function<void(Result<Room>)> answered);
  virtual ~Probe() = default;
};

}  // namespace ktrial::engine::hosts
