// THE MAIN LOOP: one trial, from a plan to a record.
#pragma once

#include <boost/asio/io_context.hpp>

#include "harness/base/janitor.h"
#include "harness/trial/monitor.h"
#include "harness/trial/plan.h"
#include "results/record.h"

namespace ktrial::trial {

struct TrialContext {
  boost::asio::io_context& io;
  Clock& clock;  // over `io`, but in tests
  Janitor& janitor;
  Observer& observer;
  // Set while a trial runs, so that a signal handler can reach it.
  Monitor*& active;
};

// `artifacts` is an existing folder for what the trial leaves behind besides
// the logs that the observer writes. An Error means that no trial took place.
Result<results::TrialRecord> run_trial(const TrialContext& context, const Plan& plan,
                                       const std::filesystem::path& artifacts);

}  // namespace ktrial::trial
