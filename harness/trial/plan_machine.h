// The machine of a plan, a step each, in this order: what is on trial, how it is spoken to, what
// runs it, and how long it may take.
#pragma once

#include <boost/asio/io_context.hpp>

#include "harness/base/result.h"
#include "harness/trial/plan.h"

namespace ktrial::trial {

// The kernel, and who runs machines of its architecture.
Status plan_kernel(boost::asio::io_context& io, Plan& plan, const PrepareOptions& options);
// `saves`: its state is saved, or its copies go on from one that was.
Status plan_channel(boost::asio::io_context& io, Plan& plan, bool saves);
Status plan_accel(boost::asio::io_context& io, Plan& plan, const PrepareOptions& options);
// Its waits, by what shares the host.
void plan_waits(Plan& plan, const PrepareOptions& options);
// Under TCG: all vCPUs run in one thread, as the spec asks or a workload that patches code needs.
bool has_one_thread(const Plan& plan);

}  // namespace ktrial::trial
