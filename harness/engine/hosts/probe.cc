#include "harness/engine/hosts/probe.h"

#include <sys/mman.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "harness/base/child.h"
#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::engine::hosts {
namespace asio = boost::asio;
namespace {

class ProbeProcess final : public Probe {
 public:
  Status start(asio::io_context& io, const std::filesystem::path& program, const std::string& uri,
               std::function<void(Result<Room>)> answered) {
    out_ = Fd(::memfd_create("ktrial-host", MFD_CLOEXEC));
    if (!out_) return fail_errno("memfd_create", errno);
    child_ = KTRIAL_TRY(Child::start(io, {.program = program,
                                          .arguments = {"doctor", "--host", uri},
                                          .standard_output = out_.get()}));
    child_->on_exit([this, answered = std::move(answered)](ExitStatus status) {
      const auto said = read_file("/proc/self/fd/" + std::to_string(out_.get()));
      auto room = room_from(said.value_or(""));
      if (!room && room.error().message.empty())
        room = fail(ErrorKind::environment, "asking it " + status.text());
      answered(std::move(room));
    });
    return {};
  }

 private:
  Fd out_;
  std::optional<Child> child_;
};

}  // namespace

Result<Room> room_from(std::string_view json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  if (parsed.is_object() && parsed.contains(kError) && parsed[kError].is_string())
    return fail(ErrorKind::environment, parsed[kError].get<std::string>());
  if (!parsed.is_object() || !parsed.contains(kCpus) || !parsed[kCpus].is_number_integer() ||
      !parsed.contains(kMemory) || !parsed[kMemory].is_number_integer())
    return fail(ErrorKind::environment, "");
  return Room{parsed[kCpus].get<int>(), parsed[kMemory].get<std::int64_t>()};
}

Result<std::unique_ptr<Probe>> Probe::start(asio::io_context& io,
                                            const std::filesystem::path& program,
                                            const std::string& uri,
                                            std::function<void(Result<Room>)> answered) {
  auto probe = std::make_unique<ProbeProcess>();
  KTRIAL_TRY(probe->start(io, program, uri, std::move(answered)));
  return probe;
}

}  // namespace ktrial::engine::hosts
