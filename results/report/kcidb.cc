#include "results/report/kcidb.h"

#include <algorithm>
#include <set>

#include "harness/base/text.h"
#include "results/report/campaign.h"
#include "results/report/suite.h"
#include "results/report/text.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {

constexpr std::size_t kExcerptBytes = 16000;  // the schema's log_excerpt: 16384 characters

enum class Fault { none, code, tool, harness, inapplicable };

// Whose fault it is that a trial was not judged, in KCIDB's terms.
Fault fault_of(Kind kind) {
  switch (kind) {
    case Kind::workload_unfit:
      return Fault::inapplicable;
    case Kind::workload_not_started:
    case Kind::workload_slow:
      return Fault::tool;
    default:
      return Fault::harness;
  }
}
Fault fault_of(const Verdict& verdict) {
  if (verdict.outcome == Outcome::pass) return Fault::none;
  return verdict.outcome == Outcome::fail ? Fault::code : fault_of(verdict.kind);
}

const char* status_of(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "PASS";
    case Fault::code:
      return "FAIL";
    case Fault::tool:
      return "ERROR";
    case Fault::harness:
      return "MISS";
    case Fault::inapplicable:
      break;
  }
  return "SKIP";
}

// Of a program's subtest: one that crashed or ran out of time did not complete, and nobody knows
// what it would have said of the kernel.
const char* status_of(const Subtest& test) {
  if (test.result == "fail") return "FAIL";
  if (test.result == "skip") return "SKIP";
  return test.bad() ? "ERROR" : "PASS";
}

// Words of a path: what the schema lets into one, "_" for the rest.
std::string path_of(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 200)) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
    if (c == '/' || c == '.')
      out += out.empty() || out.back() == '.' ? "" : ".";
    else
      out += word ? c : '_';
  }
  while (out.ends_with('.')) out.pop_back();
  return out.empty() ? "unnamed" : out;
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// A link that may stand as a URI.
bool is_plain_link(std::string_view text) {
  if (!text.starts_with("https://") && !text.starts_with("http://")) return false;
  return text.size() < 2000 &&
         std::ranges::all_of(
             text,
             [](char c) {
               return c > ' ' && c < 0x7f &&
                      std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
             });
}

class Document {
 public:
  explicit Document(const KcidbOptions& options) : origin_(options.origin) {}

  std::string dump() {
    Json out = {{"version", {{"major", 5}, {"minor", 3}}}};
    out["checkouts"] = std::move(checkouts_);
    out["builds"] = std::move(builds_);
    out["tests"] = std::move(tests_);
    out["issues"] = std::move(issues_);
    out["incidents"] = std::move(incidents_);
    return results::dump(out);
  }

  // Named by what is known of the kernel: its image, else its release, else the reference.
  std::string build(const KernelFacts& kernel, const std::string& reference) {
    const std::string what = kernel.release.empty() ? reference : kernel.release;
    const std::string source = is_hex(kernel.commit, 40) ? kernel.commit : what;
    const std::string image = is_hex(kernel.image_sha256, 64)
                                  ? kernel.image_sha256
                                  : what + "/" + kernel.architecture + "/" + kernel.config_sha256;
    const std::string checkout_id = id("checkout/" + source), build_id = id("build/" + image);
    if (known_.insert(checkout_id).second) {
      Json one = {{"id", checkout_id}, {"origin", origin_}, {"comment", one_line(what)}};
      if (is_hex(kernel.commit, 40)) one["git_commit_hash"] = kernel.commit;
      if (!kernel.release.empty()) one["valid"] = true;
      checkouts_.push_back(std::move(one));
    }
    if (known_.insert(build_id).second)
      builds_.push_back(build_json(kernel, reference, build_id, checkout_id));
    return build_id;
  }

  // A test's fields that all have; what else there is, the caller adds.
  Json& test(const std::string& build_id, const std::string& local, const std::string& path,
             const char* status) {
    tests_.push_back({{"build_id", build_id},
                      {"id", id(local)},
                      {"origin", origin_},
                      {"path", path},
                      {"status", status}});
    return tests_.back();
  }

  // The issue (once) and that the test showed it.
  void incident(const std::string& test_local, const std::string& issue, const std::string& subject,
                Fault fault, const KnownFailure* known = nullptr) {
    const std::string issue_id = id("issue/" + issue);
    if (known_.insert(issue_id).second) {
      Json one = {{"id", issue_id}, {"version", 1}, {"origin", origin_}};
      if (known && is_plain_link(known->link)) one["report_url"] = known->link;
      one["report_subject"] = one_line(subject.empty() ? issue : subject);
      one["culprit"] = {{"code", fault == Fault::code},
                        {"tool", fault == Fault::tool},
                        {"harness", fault == Fault::harness}};
      if (known)
        one["comment"] = one_line(known->expired ? "known, but only until " + known->until
                                                 : "known until " + known->until);
      one["misc"] = {{"ktrial", {{"signature", one_line(issue)}}}};
      issues_.push_back(std::move(one));
    }
    incidents_.push_back({{"id", id("incident/" + test_local + "/" + issue)},
                          {"origin", origin_},
                          {"issue_id", issue_id},
                          {"issue_version", 1},
                          {"test_id", id(test_local)},
                          {"present", true}});
  }

 private:
  std::string id(const std::string& local) const { return origin_ + ":" + one_line(local, 400); }

  Json build_json(const KernelFacts& kernel, const std::string& reference,
                  const std::string& build_id, const std::string& checkout_id) const {
    Json one = {{"checkout_id", checkout_id}, {"id", build_id}, {"origin", origin_}};
    one["comment"] = one_line(reference);
    if (kernel.architecture.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
            std::string::npos &&
        !kernel.architecture.empty())
      one["architecture"] = kernel.architecture;
    if (!kernel.compiler.empty()) one["compiler"] = one_line(kernel.compiler);
    if (!kernel.release.empty()) one["status"] = "PASS";  // there is an image, and it was booted
    Json facts = Json::object();
    if (!kernel.config_sha256.empty()) facts["config_sha256"] = one_line(kernel.config_sha256);
    if (!kernel.image_sha256.empty()) facts["image_sha256"] = one_line(kernel.image_sha256);
    if (!facts.empty()) one["misc"] = {{"ktrial", std::move(facts)}};
    return one;
  }

  std::string origin_;
  std::set<std::string> known_;
  Json checkouts_ = Json::array(), builds_ = Json::array(), tests_ = Json::array(),
       issues_ = Json::array(), incidents_ = Json::array();
};

std::string local_id(const std::string& run, int index) {
  return run + "/" + std::to_string(index);
}

void put_time(Json& test, TimePoint started_at, double duration_s) {
  if (started_at != TimePoint{}) test["start_time"] = to_text(started_at);
  if (duration_s > 0 && duration_s < 1e9) test["duration"] = duration_s;
}

std::string excerpt_of(const TrialRecord& trial) {
  std::string out;
  for (const std::string& line : detail_of(trial)) {
    if (out.size() + line.size() + 1 > kExcerptBytes) break;
    out += line + "\n";
  }
  return out;
}

Json environment_of(const TrialRecord& trial, const SpecSummary& spec) {
  std::string comment = counted(static_cast<std::size_t>(std::max(0, spec.cpus)), "CPU") + ", " +
                        std::to_string(spec.memory_mib) + " MiB";
  for (const std::string& part : {trial.vmm, trial.accel})
    if (!part.empty()) comment += ", " + part;
  Json misc = {{"cpus", spec.cpus}, {"memory_mib", spec.memory_mib}};
  const auto put = [&](const char* key, const std::string& value) {
    if (!value.empty()) misc[key] = one_line(value);
  };
  put("accel", trial.accel);
  put("vmm", trial.vmm);
  put("channel", trial.channel);
  put("host_cpu", trial.host.cpu);
  put("host_kernel", trial.host.kernel);
  put("qemu", trial.host.qemu);
  return {{"comment", one_line(comment)}, {"misc", {{"ktrial", std::move(misc)}}}};
}

Json misc_of(const TrialRecord& trial, const RunRecord& run) {
  Json out = {{"run", one_line(run.id)}, {"trial", trial.index}, {"boot_s", trial.boot_s}};
  const auto put = [&](const char* key, std::string_view value) {
    if (!value.empty()) out[key] = one_line(value, 2000);
  };
  put("kind", trial.verdict.kind.name());
  put("culprit", trial.verdict.culprit);
  put("signature", trial.verdict.signature);
  put("command", shell_quoted(run.argv));
  return {{"ktrial", std::move(out)}};
}

// What was in the way is an issue, too: of the harness or of the workload, by its kind.
void add_incident(Document& document, const std::string& local, const Verdict& verdict,
                  const KnownFailure* known = nullptr) {
  const Fault fault = fault_of(verdict);
  if (fault == Fault::code)
    document.incident(
        local, verdict.signature.empty() ? std::string(verdict.kind.name()) : verdict.signature,
        verdict.title, fault, known);
  else if (fault == Fault::tool || fault == Fault::harness)
    document.incident(local, "unjudged/" + std::string(verdict.kind.name()),
                      "not judged: " + std::string(verdict.kind.name()), fault);
}

std::string root_path(std::string_view workload) {
  return "ktrial." + (workload.empty() ? "command" : path_of(workload));
}

void add_trial(Document& document, const RunRecord& run, const TrialRecord& trial,
               const KnownFailure* known = nullptr) {
  const std::string local = local_id(run.id, trial.index), path = root_path(run.spec.workload);
  const std::string build = document.build(trial.kernel, run.spec.kernel);
  const Verdict& verdict = trial.verdict;
  Json& test = document.test(build, local, path, status_of(fault_of(verdict)));
  test["environment"] = environment_of(trial, run.spec);
  test["comment"] = one_line(
      verdict.outcome == Outcome::fail && !verdict.title.empty() ? verdict.title : verdict.reason);
  if (verdict.outcome != Outcome::pass) test["log_excerpt"] = excerpt_of(trial);
  put_time(test, trial.started_at, trial.duration_s);
  test["misc"] = misc_of(trial, run);
  for (std::size_t i = 0; i < trial.subtests.size(); ++i) {
    const Subtest& one = trial.subtests[i];
    Json& part = document.test(build, local + "/" + std::to_string(i),
                               path + "." + path_of(one.name), status_of(one));
    if (!one.reason.empty()) part["comment"] = one_line(one.reason);
    put_time(part, TimePoint{}, one.seconds.value_or(0));
  }
  add_incident(document, local, verdict, known);
}

// A job that left no trial behind: MISS, by the words of the schema.
void add_lost(Document& document, const std::string& local, const KernelFacts& kernel,
              const std::string& reference, const std::string& path, const std::string& why) {
  Json& test = document.test(document.build(kernel, reference), local, path, "MISS");
  test["comment"] = one_line(why);
  document.incident(local, "unjudged/job", "a job that left no record", Fault::harness);
}

void add_cell_trial(Document& document, const CampaignRecord& campaign, const CampaignCell& cell,
                    const CellTrial& trial, const KernelFacts& kernel,
                    const CampaignEvidence& evidence) {
  const CampaignSignature* signature =
      trial.signature && *trial.signature < campaign.signatures.size()
          ? &campaign.signatures[*trial.signature]
          : nullptr;
  const KnownFailure* known = signature && signature->known ? &*signature->known : nullptr;
  const auto run = evidence.runs.find(trial.run);
  if (const TrialRecord* record = evidence.trial(trial.run, trial.index))
    return add_trial(document, run->second, *record, known);
  Verdict verdict{.outcome = trial.outcome};
  if (signature)
    verdict = {trial.outcome,      signature->title,     signature->kind,
               signature->culprit, signature->signature, ""};
  const std::string local = local_id(trial.run, trial.index);
  Json& test = document.test(document.build(kernel, fact(cell.axes, "kernel")), local,
                             root_path(fact(cell.axes, "workload")), status_of(fault_of(verdict)));
  if (signature) test["comment"] = one_line(signature->title);
  put_time(test, trial.started_at, trial.duration_s);
  test["misc"] = {
      {"ktrial", {{"run", one_line(trial.run)}, {"trial", trial.index}, {"boot_s", trial.boot_s}}}};
  if (verdict.outcome == Outcome::fail) add_incident(document, local, verdict, known);
}

}  // namespace

bool is_kcidb_origin(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == text.npos;
}

std::string batch_kcidb(const BatchRecord& batch, const KcidbOptions& options) {
  Document document(options);
  for (const BatchPart& part : batch.parts) {
    if (!part.run) {
      add_lost(document, "job/" + part.cell, {}, part.cell.empty() ? "unknown" : part.cell,
               "ktrial", part.problem);
      continue;
    }
    for (const TrialRecord& trial : part.run->trials) add_trial(document, *part.run, trial);
    if (part.run->trials.empty())
      add_lost(document, part.run->id, {}, part.run->spec.kernel,
               root_path(part.run->spec.workload),
               part.problem.empty() ? part.run->verdict.reason : part.problem);
  }
  return document.dump();
}

std::string campaign_kcidb(const CampaignRecord& campaign, const CampaignEvidence& evidence,
                           const KcidbOptions& options) {
  Document document(options);
  for (const CampaignCell& cell : campaign.cells) {
    KernelFacts kernel;
    for (const CellTrial& trial : cell.strip)
      if (const TrialRecord* record = evidence.trial(trial.run, trial.index)) {
        kernel = record->kernel;
        break;
      }
    for (const CellTrial& trial : cell.strip)
      add_cell_trial(document, campaign, cell, trial, kernel, evidence);
  }
  for (std::size_t i = 0; i < campaign.lost.size(); ++i)
    add_lost(document, campaign.id + "/lost/" + std::to_string(i), {}, "unknown", "ktrial",
             campaign.lost[i]);
  return document.dump();
}

}  // namespace ktrial::results
