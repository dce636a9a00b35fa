#include "harness/bundle/writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>

#include "harness/base/file.h"
#include "harness/bundle/job.h"
#include "harness/bundle/kept.h"
#include "harness/kernel/digest.h"
#include "harness/kernel/kernel.h"
#include "results/store/json.h"

namespace ktrial::bundle {
namespace fs = std::filesystem;
namespace {

// What goes into one member: bytes, or a file as it is.
struct Piece {
  const Member* member = nullptr;
  std::string bytes;
  fs::path file;
};

// deb:PACKAGE=VERSION of what was really taken; else what was asked for, a path by its last name.
std::string public_reference(const results::RunRecord& run) {
  if (std::string package = package_of(run); !package.empty()) return package;
  const std::string& asked = run.spec.kernel;
  if (asked.starts_with("git:") || asked == "host") return asked;
  if (asked.starts_with("deb:") && !asked.contains('/')) return asked;
  return fs::path(asked).filename().string();
}

// The record without its places on this host.
results::RunRecord without_places(const results::RunRecord& run, const std::string& reference) {
  results::RunRecord out = run;
  out.trials.clear();
  out.argv.clear();
  out.working_dir.clear();
  out.spec.kernel = reference;
  std::erase_if(out.facts, [](const auto& one) {
    return one.first == "kernel.image" || one.first == "qemu.program" ||
           one.first.starts_with("libvirt.");
  });
  if (out.state == results::RunState::running) out.state = results::RunState::interrupted;
  return out;
}

std::string record_text(results::Json json, std::initializer_list<const char*> without) {
  for (const char* key : without) json.erase(key);
  return results::dump(results::document(std::move(json)));
}

class Writing {
 public:
  Writing(const results::RunRecord& run, const results::TrialRecord& trial,
          const WriteOptions& options, std::vector<Secret> secrets)
      : run_(run), trial_(trial), options_(options), secrets_(std::move(secrets)) {
    for (const results::TrialRecord& one : run.trials) add_host_name(secrets_, one.host.name);
    // Not what the guest says: it could name any word.
    results::RunRecord places = run;
    places.trials.clear();
    places.verdict = {};
    add_people(secrets_, results::to_json(places).dump());
    add_people(secrets_, run.directory.string());
    add_people(secrets_, read_file(run.directory / "job.json", 1u << 20).value_or(""));
    blotted_.resize(secrets_.size());
    kept_.resize(secrets_.size());
  }

  Result<Manifest> gather() {
    manifest_ = {.ktrial_version = std::string(results::ktrial_version()),
                 .run = run_.id,
                 .trial = trial_.index,
                 .kernel = {public_reference(run_), trial_.kernel.release,
                            trial_.kernel.image_sha256.empty() ? fact(run_.facts, "kernel.sha256")
                                                               : trial_.kernel.image_sha256,
                            false},
                 .machine = machine_values()};
    leave_out("argv, working folder, paths of kernel, QEMU and results", "left out of the records");
    leave_out("qemu.sh", "left out: its values are in the manifest and in job.json");
    if (run_.trials.size() > 1)
      leave_out(fmt::format("{} other trials of the run", run_.trials.size() - 1), "left out");
    for (const Member& one : members()) KTRIAL_TRY(add(one));
    tell_secrets();
    return manifest_;
  }

  // The manifest, with the digests of all that follows, comes first.
  Status write(archive* out) {
    std::string text = to_json(manifest_);
    blot_out(text, secrets_);
    KTRIAL_TRY(write_piece(out, {member(kManifest), std::move(text), {}}));
    for (const Piece& piece : pieces_) KTRIAL_TRY(write_piece(out, piece));
    return {};
  }

 private:
  MachineValues machine_values() const {
    return {run_.spec.cpus,
            run_.spec.memory_mib,
            run_.spec.machine,
            trial_.accel,
            trial_.vmm,
            trial_.channel,
            fact(trial_.facts, "kernel.command_line"),
            fact(run_.facts, "guest.argv")};
  }
  void leave_out(std::string what, std::string how) {
    manifest_.left_out.push_back({std::move(what), std::move(how)});
  }

  Status add(const Member& one) {
    const std::string_view name = one.name;
    if (name == kManifest) return {};
    if (name == "job.json")
      return add_bytes(one, run::to_json(public_job(run_, manifest_.kernel.reference)));
    if (name == "run.json")
      return add_bytes(one, record_text(to_json(without_places(run_, manifest_.kernel.reference)),
                                        {"trials", "directory", "unreadable"}));
    if (name == "trials/000/verdict.json") {
      results::TrialRecord trial = trial_;
      trial.host.name.clear();
      if (!trial_.host.name.empty()) leave_out("host name of the record", "left out");
      return add_bytes(one, record_text(to_json(trial), {"artifacts"}));
    }
    if (name == "kernel" || name == "config") return add_kernel(one);
    if (one.stage == Stage::memory) return add_memory(one);
    if (name.starts_with(kTrialDir))
      return add_file(one, trial_.artifacts / name.substr(sizeof kTrialDir - 1));
    return add_initramfs(one);
  }

  // What the folder has of it.
  Status add_file(const Member& one, const fs::path& file) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error) return one.needed ? gone(file, "without it there is nothing to replay") : Status();
    if (size > one.most) {
      leave_out(one.name, fmt::format("left out: its {} bytes are too many", size));
      return {};
    }
    if (one.words == Private::no) return add_piece({&one, {}, file}, size);
    return add_bytes(one, KTRIAL_TRY(read_file(file, one.most)));
  }

  // Blotted out as the member says; what then still names somebody is told.
  Status add_bytes(const Member& one, std::string bytes) {
    const bool files = one.words == Private::files;
    const auto times = blot_out(bytes, secrets_, files ? Matter::files : Matter::text);
    for (std::size_t i = 0; i < times.size(); ++i) blotted_[i] += times[i];
    if (files) keep(bytes);
    const std::size_t size = bytes.size();
    return add_piece({&one, std::move(bytes), {}}, size);
  }

  Status add_kernel(const Member& one) {
    const fs::path image = fact(run_.facts, "kernel.image");
    const bool is_image = std::string_view(one.name) == "kernel";
    if (!options_.kernel) {
      if (is_image) leave_out("kernel image", "left out, as asked: its reference and SHA-256 stay");
      return {};
    }
    const auto digest =
        image.empty() ? Result<std::string>(usage_error("")) : kernel::sha256_file(image);
    if (!digest || *digest != manifest_.kernel.sha256) {
      if (is_image)
        leave_out("kernel image",
                  digest ? "left out: the file was changed since" : "left out: the file is gone");
      return {};
    }
    if (!is_image) return add_config(one, image);
    manifest_.kernel.included = true;
    // Its bytes are its name: nothing is blotted out of them.
    const std::string bytes = KTRIAL_TRY(read_file(image, one.most));
    keep(bytes);
    return add_piece({&one, {}, image}, bytes.size());
  }

  // The configuration says the tick rate, and so the command line (harness/trial/prepare.cc).
  Status add_config(const Member& one, const fs::path& image) {
    kernel::ResolveOptions options;
    const auto kernel = kernel::resolve(kernel::ImageReference{image}, options);
    if (!kernel || !kernel->config) return {};
    return add_bytes(one, KTRIAL_TRY(read_file(*kernel->config, one.most)));
  }

  Status add_initramfs(const Member& one) {
    auto bytes = read_file(run_.directory / one.name, one.most);
    if (!bytes) {
      leave_out(one.name, "left out: the run's folder has none that could be taken");
      return {};
    }
    const std::string digest = kernel::sha256(*bytes);
    KTRIAL_TRY(add_bytes(one, *std::move(bytes)));
    if (trial_.determinism && manifest_.contents.back().sha256 != digest)
      leave_out(
          "a replay bit for bit",
          "not from this bundle: private words were blotted out of its initramfs, and another "
          "initramfs is another run");
    return {};
  }

  Status add_memory(const Member& one) {
    const fs::path file = trial_.artifacts / "vmcore";
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (!options_.memory) {
      if (!error) leave_out("guest memory (vmcore)", "left out: --with-memory takes it");
      return {};
    }
    if (error)
      return usage_error("trial " + std::to_string(trial_.index) + " has no vmcore",
                         "`ktrial run --core` keeps one of a guest that stalls");
    if (size > one.most) return usage_error(file.string() + " is too large for a bundle");
    leave_out("private words in the guest's memory (vmcore)", "kept: nobody looked for them");
    return add_piece({&one, {}, file}, size);
  }

  Status add_piece(Piece piece, std::uint64_t size) {
    const std::string digest = piece.file.empty() ? kernel::sha256(piece.bytes)
                                                  : KTRIAL_TRY(kernel::sha256_file(piece.file));
    manifest_.contents.push_back({piece.member->name, size, digest});
    pieces_.push_back(std::move(piece));
    return {};
  }

  void keep(std::string_view bytes) {
    const auto times = count(bytes, secrets_);
    for (std::size_t i = 0; i < times.size(); ++i) kept_[i] += times[i];
  }

  // By their kind, never by their text.
  void tell_secrets() {
    std::map<std::string, std::pair<std::size_t, std::size_t>> times;
    for (std::size_t i = 0; i < secrets_.size(); ++i) {
      times[secrets_[i].what].first += blotted_[i];
      times[secrets_[i].what].second += kept_[i];
    }
    for (const auto& [what, count] : times) {
      if (count.first > 0)
        leave_out(what, fmt::format("blotted out with x's in {} places", count.first));
      if (count.second > 0)
        leave_out(what, fmt::format("kept in {} places within programs or the kernel image, as the "
                                    "name of who built them",
                                    count.second));
    }
  }

  static Status gone(const fs::path& file, const std::string& why) {
    return usage_error(file.string() + " is gone: " + why);
  }

  Status write_piece(archive* out, const Piece& piece) {
    const auto content = std::ranges::find(manifest_.contents, piece.member->name, &Content::name);
    const std::uint64_t size =
        content == manifest_.contents.end() ? piece.bytes.size() : content->size;
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              archive_entry_free);
    archive_entry_set_pathname(entry.get(), piece.member->name);
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);  // owner and times are nobody's business
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    if (archive_write_header(out, entry.get()) != ARCHIVE_OK) return broken(out);
    if (piece.file.empty()) return write_bytes(out, piece.bytes);
    Fd fd = KTRIAL_TRY(open_file(piece.file, O_RDONLY));
    std::string block(1 << 20, '\0');
    for (std::uint64_t left = size; left > 0;) {
      const ssize_t n = ::read(fd.get(), block.data(), std::min<std::uint64_t>(left, block.size()));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read " + piece.file.string(), errno);
      if (n == 0) return gone(piece.file, "it was cut while it was read");
      KTRIAL_TRY(write_bytes(out, std::string_view(block).substr(0, static_cast<std::size_t>(n))));
      left -= static_cast<std::uint64_t>(n);
    }
    return {};
  }

  static Status write_bytes(archive* out, std::string_view bytes) {
    if (archive_write_data(out, bytes.data(), bytes.size()) !=
        static_cast<la_ssize_t>(bytes.size()))
      return broken(out);
    return {};
  }
  static Status broken(archive* out) {
    const int error = archive_errno(out);
    return fail_errno("write the bundle", error > 0 ? error : EIO);
  }

  const results::RunRecord& run_;
  const results::TrialRecord& trial_;
  const WriteOptions& options_;
  std::vector<Secret> secrets_;
  std::vector<std::size_t> blotted_, kept_;  // of each secret
  Manifest manifest_;
  std::vector<Piece> pieces_;
};

Status write_archive(Writing& writing, int fd) {
  const std::unique_ptr<archive, decltype(&archive_write_free)> out(archive_write_new(),
                                                                    archive_write_free);
  archive_write_set_format_pax_restricted(out.get());
  if (archive_write_add_filter_zstd(out.get()) != ARCHIVE_OK ||
      archive_write_open_fd(out.get(), fd) != ARCHIVE_OK)
    return fail(ErrorKind::environment, "libarchive cannot write zstd here");
  KTRIAL_TRY(writing.write(out.get()));
  if (archive_write_close(out.get()) != ARCHIVE_OK) {
    const int error = archive_errno(out.get());
    return fail_errno("write the bundle", error > 0 ? error : EIO);
  }
  return {};
}

}  // namespace

Result<const results::TrialRecord*> chosen_trial(const results::RunRecord& run,
                                                 const std::optional<int>& index) {
  using results::TrialRecord;
  if (run.trials.empty())
    return usage_error("run " + run.id + " has no trial that was recorded to its end");
  if (index) {
    const auto found = std::ranges::find(run.trials, *index, &TrialRecord::index);
    if (found != run.trials.end()) return &*found;
    return usage_error(fmt::format("run {} has no trial {}", run.id, *index));
  }
  const auto named = std::ranges::find_if(run.trials, [&](const TrialRecord& trial) {
    return trial.verdict.outcome == results::Outcome::fail &&
           trial.verdict.signature == run.verdict.signature;
  });
  return named != run.trials.end() ? &*named : &run.trials.back();
}

Result<Written> write_bundle(const results::RunRecord& run, const WriteOptions& options,
                             std::vector<Secret> secrets, const fs::path& file) {
  const auto* trial = KTRIAL_TRY(chosen_trial(run, options.trial));
  std::error_code error;
  if (fs::exists(fs::symlink_status(file, error)))
    return usage_error(file.string() + " exists", "remove it, or name another file");
  Writing writing(run, *trial, options, std::move(secrets));
  Written out{.manifest = KTRIAL_TRY(writing.gather())};
  auto written = [&]() -> Status {
    Fd fd = KTRIAL_TRY(open_file(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW));
    KTRIAL_TRY(write_archive(writing, fd.get()));
    if (::fsync(fd.get()) != 0) return fail_errno("fsync " + file.string(), errno);
    return {};
  }();
  if (written)
    out.bytes = fs::file_size(file, error);
  else if (written.error().errno_value != EEXIST)
    fs::remove(file, error);
  if (!written) return std::unexpected(std::move(written).error());
  return out;
}

}  // namespace ktrial::bundle
