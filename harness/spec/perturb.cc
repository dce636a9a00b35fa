#include "harness/spec/perturb.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "harness/base/text.h"
#include "harness/spec/parse.h"

namespace ktrial::spec {
namespace {

bool read_us(std::string_view text, int& into) {
  const auto value = to_number<int>(text);
  if (!value || *value < 1 || *value > kMaxDelayUs) return false;
  into = *value;
  return true;
}

bool read_probability(std::string_view text, double& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size() && into > 0 && into <= 1;
}

}  // namespace

std::string DelayAt::place() const {
  return offset == 0 ? symbol : fmt::format("{}+{:#x}", symbol, offset);
}

Result<DelayAt> parse_delay_at(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return usage_error(fmt::format("{}: {}", in_quotes(text), what),
                       "SYMBOL[+OFFSET][:US[:P]], as in mm_get_cid, mm_get_cid+0x55:200 or "
                       "mm_get_cid:500:0.01");
  };
  const auto parts = fields(text, ':');
  DelayAt out;
  if (parts.size() > 3) return wrong("has more than a place, microseconds and a probability");
  std::string_view place = parts.front();
  if (const auto plus = place.rfind('+'); plus != place.npos) {
    const auto offset = parse_number(place.substr(plus + 1));
    if (!offset) return wrong("the offset is no number");
    out.offset = *offset;
    place = place.substr(0, plus);
  }
  if (place.empty()) return wrong("names no symbol");
  out.symbol = place;
  if (parts.size() > 1 && !read_us(parts[1], out.most_us))
    return wrong("the longest delay has to be 1 to 1000000 microseconds");
  if (parts.size() > 2 && !read_probability(parts[2], out.probability))
    return wrong("the probability has to be above 0, and 1 at most");
  return out;
}

Result<Holding> parse_perturb(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return usage_error(fmt::format("{}: {}", in_quotes(text), what),
                       "hold[:US[:GAP]], as in hold or hold:10000:5000");
  };
  const auto parts = fields(text, ':');
  Holding out;
  if (parts.front() != "hold") return wrong("the one way to perturb is hold");
  if (parts.size() > 3) return wrong("has more than hold and two numbers");
  if (parts.size() > 1 && !read_us(parts[1], out.most_us))
    return wrong("the longest hold has to be 1 to 1000000 microseconds");
  if (parts.size() > 2 && !read_us(parts[2], out.gap_us))
    return wrong("the gap has to be 1 to 1000000 microseconds");
  return out;
}

std::string perturb_problems(const TrialSpec& spec) {
  std::string out;
  const auto refuse = [&](bool wrong, const char* key, const std::string& problem) {
    if (wrong) out += (out.empty() ? "" : "\n") + std::string(key) + ": " + problem;
  };
  const auto both = [&](const char* key) {
    refuse(
        spec.deterministic, key,
        "a deterministic machine has one thread and counts instructions: that it is held changes "
        "nothing in it; leave deterministic out");
    refuse(spec.vmm == Vmm::libvirt, key,
           "needs vmm = qemu: a QEMU of libvirt's is not ktrial's to hold");
    refuse(spec.cpus < 2, key, "needs two vCPUs: one alone races with nobody");
  };
  if (!spec.delay_at.empty()) {
    both("delay_at");
    refuse(spec.accel == Accel::kvm, "delay_at", "needs TCG, whose plugin delays; leave accel out");
    refuse(spec.delay_at.size() > kMaxDelays, "delay_at", "names more than 16 places");
  }
  for (const std::string& one : spec.delay_at)
    if (const auto parsed = parse_delay_at(one); !parsed)
      refuse(true, "delay_at", parsed.error().message);
  if (!spec.perturb.empty()) {
    both("perturb");
    if (const auto parsed = parse_perturb(spec.perturb); !parsed)
      refuse(true, "perturb", parsed.error().message);
  }
  return out;
}

}  // namespace ktrial::spec
