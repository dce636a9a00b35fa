#include <fmt/format.h>

#include "harness/guest_image/modules.h"
#include "harness/trial/plan.h"

namespace ktrial::trial {
namespace {

std::optional<channel::Kind> wanted_kind(spec::ChannelKind wanted) {
  switch (wanted) {
    case spec::ChannelKind::automatic:
      return std::nullopt;
    case spec::ChannelKind::vhost_vsock:
      return channel::Kind::vhost_vsock;
    case spec::ChannelKind::vhost_user_vsock:
      return channel::Kind::vhost_user_vsock;
    case spec::ChannelKind::virtio_serial:
      return channel::Kind::virtio_serial;
  }
  std::abort();
}

// Why the guest kernel cannot drive `kind`, if that can be told. `sure` asks
// for certainty: a kernel without its module files may still have it built in.
Result<std::string> why_not_in_guest(channel::Kind kind, const kernel::Kernel& kernel, bool sure) {
  const auto wanted = channel::guest_modules(kind);
  const auto closure = KTRIAL_TRY(guest_image::closure(kernel, wanted));
  if (!closure.absent.empty())
    return fmt::format("{}: the kernel has no module {}", channel::name(kind),
                       closure.absent.front());
  if (!sure && kind != channel::Kind::virtio_serial && !closure.missing.empty())
    return fmt::format("{}: the kernel came without module files, and {} is seldom built in",
                       channel::name(kind), closure.missing.back());
  return "";
}

// Why the VMM cannot be relied on to carry `kind`. `must`: there may be nothing better.
std::string why_not_for(channel::Kind kind, const Vmm& vmm, bool must) {
  if (kind == channel::Kind::virtio_serial) return "";
  if (!vmm.local) return fmt::format("{}: the guest is on another host", channel::name(kind));
  if (kind == channel::Kind::vhost_user_vsock && !vmm.private_sockets && !must)
    return fmt::format("{}: libvirt's QEMU may not be allowed to use our socket",
                       channel::name(kind));
  return "";
}

}  // namespace

Result<ChannelChoice> choose_channel(const spec::TrialSpec& spec, bool needs_vsock,
                                     const kernel::Kernel& kernel, const Vmm& vmm, bool saves) {
  if (auto kind = wanted_kind(spec.channel)) {
    if (!vmm.local && *kind != channel::Kind::virtio_serial)
      return usage_error(fmt::format("{}: the guest is on another host", channel::name(*kind)),
                         "use --channel virtio-serial");
    if (auto error = channel::why_unusable(*kind)) return std::unexpected(std::move(*error));
    std::string why = KTRIAL_TRY(why_not_in_guest(*kind, kernel, true));
    if (!why.empty()) return usage_error(why, "use --channel auto, or a kernel that has it");
    return ChannelChoice{*kind, "asked for"};
  }
  if (saves && !needs_vsock) {
    const auto kind = channel::Kind::virtio_serial;
    if ((KTRIAL_TRY(why_not_in_guest(kind, kernel, false))).empty())
      return ChannelChoice{kind, "it is saved with the machine, as no other"};
  }
  std::string passed_over;
  for (auto kind : {channel::Kind::vhost_vsock, channel::Kind::vhost_user_vsock,
                    channel::Kind::virtio_serial}) {
    if (needs_vsock && kind == channel::Kind::virtio_serial) continue;
    if (saves && kind == channel::Kind::vhost_vsock) continue;  // is not plugged in later
    std::string why = why_not_for(kind, vmm, needs_vsock);
    if (!why.empty()) {
      // the VMM's word is enough
    } else if (auto error = channel::why_unusable(kind)) {
      why = error->message;
    } else {
      why = KTRIAL_TRY(why_not_in_guest(kind, kernel, needs_vsock));
    }
    if (why.empty())
      return ChannelChoice{
          kind, passed_over.empty() ? "the best there is" : "the best that works; " + passed_over};
    passed_over += (passed_over.empty() ? "" : "; ") + why;
  }
  return fail(ErrorKind::environment,
              std::string(needs_vsock ? "this workload needs vsock, and no " : "no ") +
                  "channel to the guest can work: " + passed_over,
              "`ktrial doctor` says how to mend each");
}

}  // namespace ktrial::trial
