#include "harness/engine/hosts/probe.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "harness/base/child.h"
#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::engine::hosts {
namespace asio = boost::asio;
using results::Json;
namespace {

constexpr char kCpus[] = "cpus", kMemory[] = "memory_mib", kFree[] = "free_mib",
               kOthers[] = "others_cpus", kOrphans[] = "orphans_ended", kError[] = "error";

class ProbeProcess final : public Probe {
 public:
  Status start(asio::io_context& io, const std::filesystem::path& program, const std::string& uri,
               std::function<void(Result<Answer>)> answered) {
    out_ = Fd(::memfd_create("ktrial-host", MFD_CLOEXEC));
    if (!out_) return fail_errno("memfd_create", errno);
    child_ = KTRIAL_TRY(Child::start(io, {.program = program,
                                          .arguments = {"doctor", "--host", uri},
                                          .standard_output = out_.get()}));
    child_->on_exit([this, answered = std::move(answered)](ExitStatus status) {
      const auto said = read_file("/proc/self/fd/" + std::to_string(out_.get()));
      auto answer = answer_from(said.value_or(""));
      if (!answer && answer.error().message.empty())
        answer = fail(ErrorKind::environment, "asking it " + status.text());
      answered(std::move(answer));
    });
    return {};
  }

 private:
  Fd out_;
  std::optional<Child> child_;
};

}  // namespace

results::Json document_of(const std::string& uri, const Result<vm::LibvirtHost>& host) {
  Json out{{"uri", uri}};
  if (host) {
    const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(); };
    out["name"] = host->name;
    out[kCpus] = host->cpus;
    out[kMemory] = host->memory_mib;
    out[kFree] = or_null(host->free_mib);
    out["busy_cpus"] = or_null(host->busy_cpus);
    out[kOthers] = or_null(host->others_cpus);
    out["libvirt"] = host->libvirt_version;
    out[kOrphans] = host->orphans_ended;
  } else {
    out[kError] = host.error().message;
    out["hint"] = host.error().hint;
  }
  return results::document(std::move(out));
}

Result<Answer> answer_from(std::string_view document) {
  const auto json = Json::parse(document, nullptr, false);
  if (json.is_object() && json.contains(kError) && json[kError].is_string())
    return fail(ErrorKind::environment, json[kError].get<std::string>());
  const auto whole = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_number_integer();
  };
  if (!whole(kCpus) || !whole(kMemory)) return fail(ErrorKind::environment, "");
  Answer out{.room = {json[kCpus].get<int>(), json[kMemory].get<std::int64_t>()}};
  if (whole(kFree))
    out.room.memory_mib = std::min(out.room.memory_mib, json[kFree].get<std::int64_t>());
  if (json.contains(kOthers) && json[kOthers].is_number())
    out.others_cpus = json[kOthers].get<double>();
  if (whole(kOrphans)) out.orphans_ended = json[kOrphans].get<int>();
  return out;
}

Result<std::unique_ptr<Probe>> Probe::start(asio::io_context& io,
                                            const std::filesystem::path& program,
                                            const std::string& uri,
                                            std::function<void(Result<Answer>)> answered) {
  auto probe = std::make_unique<ProbeProcess>();
  KTRIAL_TRY(probe->start(io, program, uri, std::move(answered)));
  return probe;
}

}  // namespace ktrial::engine::hosts
