// Whether a host answers, asked by a process of its own: a host that is gone blocks nobody.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "harness/base/result.h"
#include "harness/engine/packing.h"
#include "harness/vm/libvirt/host_facts.h"
#include "results/store/json.h"

namespace ktrial::engine::hosts {

// What a host says of itself, as far as a pool wants to know.
struct Answer {
  Room room;               // its CPUs, and the memory that it has free
  double others_cpus = 0;  // CPUs that others than ktrial's machines keep busy
  int orphans_ended = 0;   // machines there whose ktrial is no more
};
// `ktrial doctor --host URI` prints it in one line: docs/schema/doctor-host.json. `host`: what it
// said, or why it said nothing.
results::Json document_of(const std::string& uri, const Result<vm::LibvirtHost>& host);
Result<Answer> answer_from(std::string_view document);

class Probe {
 public:
  // `answered` is called once, from the io_context; it may destroy this object later, not at once.
  static Result<std::unique_ptr<Probe>> start(boost::asio::io_context& io,
                                              const std::filesystem::path& program,
                                              const std::string& uri,
                                              std::function<void(Result<Answer>)> answered);
  virtual ~Probe() = default;
};

}  // namespace ktrial::engine::hosts
