// For this folder's tests: bundles as a stranger may write them, and a run to make one of.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "harness/base/file.h"
#include "harness/bundle/manifest.h"
#include "harness/kernel/digest.h"
#include "harness/run/job.h"
#include "results/store/json.h"
#include "results/store/test_store.h"

namespace ktrial::bundle {

struct Entry {
  std::string name, bytes;
  int type = AE_IFREG;
  std::string symlink = {}, hardlink = {};
  bool sparse = false;
};

// Any archive at all. `filter`: ARCHIVE_FILTER_*.
inline std::string pack(const std::vector<Entry>& entries, int filter = ARCHIVE_FILTER_ZSTD) {
  const std::unique_ptr<archive, decltype(&archive_write_free)> out(archive_write_new(),
                                                                    archive_write_free);
  archive_write_set_format_pax(out.get());
  archive_write_add_filter(out.get(), filter);
  std::size_t bytes = 16 << 20, used = 0;
  for (const Entry& entry : entries) bytes += entry.bytes.size();
  std::string buffer(bytes, '\0');
  EXPECT_EQ(archive_write_open_memory(out.get(), buffer.data(), buffer.size(), &used), ARCHIVE_OK);
  for (const Entry& one : entries) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              archive_entry_free);
    archive_entry_set_pathname(entry.get(), one.name.c_str());
    archive_entry_set_filetype(entry.get(), static_cast<unsigned>(one.type));
    archive_entry_set_perm(entry.get(), 04777);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(one.bytes.size()));
    if (!one.symlink.empty()) archive_entry_set_symlink(entry.get(), one.symlink.c_str());
    if (!one.hardlink.empty()) archive_entry_set_hardlink(entry.get(), one.hardlink.c_str());
    if (one.sparse) archive_entry_sparse_add_entry(entry.get(), 0, 1);
    EXPECT_EQ(archive_write_header(out.get(), entry.get()), ARCHIVE_OK)
        << archive_error_string(out.get());
    if (!one.bytes.empty()) archive_write_data(out.get(), one.bytes.data(), one.bytes.size());
  }
  archive_write_close(out.get());
  buffer.resize(used);
  return buffer;
}

// A bundle that is right until somebody changes it. The manifest tells of `entries` as they are
// when text() is called, unless `manifest` was set by then.
struct Draft {
  Draft() {
    results::RunRecord run;
    run.id = "20260301-123456.789-abcd";
    run.state = results::RunState::finished;
    run.spec = results::spec(1);
    auto trial = results::trial(0, results::Outcome::fail);
    run.verdict = trial.verdict;
    results::Json record = results::document(results::to_json(run));
    record.erase("trials");
    run::Job job{.results = "results"};
    job.spec.workload = "smoke";
    job.spec.kernel = "deb:linux-image-cloud-amd64=6.1.1-1";
    entries = {{"job.json", run::to_json(job)},
               {"run.json", results::dump(record)},
               {"trials/000/verdict.json", results::dump(results::to_json(trial))},
               {"trials/000/console.log", "[    0.000000] Linux version 6.1\n"}};
    manifest.run = run.id;
    manifest.kernel = {"deb:linux-image-cloud-amd64=6.1.1-1", "6.1", std::string(64, 'a'), false};
  }
  Entry& entry(const std::string& name) { return *std::ranges::find(entries, name, &Entry::name); }
  // What the manifest says of the entries that are here now.
  void describe() {
    manifest.contents.clear();
    for (const Entry& one : entries)
      manifest.contents.push_back({one.name, one.bytes.size(), kernel::sha256(one.bytes)});
    described = true;
  }
  std::string bytes() {
    if (!described) describe();
    std::vector<Entry> all = {{kManifest, text.empty() ? to_json(manifest) : text}};
    all.insert(all.end(), entries.begin(), entries.end());
    return pack(all);
  }

  Manifest manifest;
  std::string text;  // instead of the manifest's
  std::vector<Entry> entries;
  bool described = false;
};

}  // namespace ktrial::bundle
