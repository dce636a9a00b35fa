#include "harness/trial/facts.h"

#include <sys/utsname.h>

#include <algorithm>

#include "harness/base/file.h"
#include "harness/base/host_cpus.h"
#include "harness/base/text.h"
#include "harness/kernel/digest.h"

namespace ktrial::trial {

namespace {

// The model of the host's CPUs; /proc/cpuinfo of other architectures may not name one.
std::string cpu_model() {
  const auto text = read_file("/proc/cpuinfo", 16u << 20);
  if (!text) return {};
  std::string_view rest = *text;
  while (const auto line = take_line(rest)) {
    if (!line->starts_with("model name")) continue;
    const std::size_t colon = line->find(": ");
    return colon == line->npos ? std::string() : std::string(line->substr(colon + 2));
  }
  return {};
}

std::string fact(const results::Facts& facts, std::string_view key) {
  const auto it = std::ranges::find(facts, key, &results::Facts::value_type::first);
  return it == facts.end() ? std::string() : it->second;
}

}  // namespace

results::KernelFacts facts_of(const kernel::Kernel& kernel) {
  results::KernelFacts out{.release = kernel.release,
                           .commit = kernel.commit,
                           .architecture = kernel.arch->name,
                           .compiler = {},
                           .config_sha256 = {},
                           .image_sha256 = kernel.sha256};
  if (kernel.config) out.config_sha256 = kernel::sha256_file(*kernel.config).value_or("");
  return out;
}

results::HostFacts host_facts(const Vmm& vmm) {
  results::HostFacts out;
  out.qemu = fact(vmm.facts, "qemu.version");
  if (!vmm.local) {
    out.name = fact(vmm.facts, "libvirt.host");
    return out;
  }
  utsname names{};
  if (::uname(&names) == 0) {
    out.name = names.nodename;
    out.kernel = names.release;
  }
  out.cpu = cpu_model();
  out.cores = host_cpus();
  return out;
}

}  // namespace ktrial::trial
