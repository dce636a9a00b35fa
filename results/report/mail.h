// Records -> a message for a mailing list: plain text, at most 72 columns, nothing that a mail
// program or an mbox would take for its own. It has a Subject and says its encoding; whom it is
// from and to, the sender adds (`mutt -H FILE`, `git send-email --to=... FILE`).
#pragma once

#include <optional>
#include <string>

#include "results/batch.h"
#include "results/campaign.h"

namespace ktrial::results {

struct MailOptions {
  // How often the run's failure comes, if who calls can say: in this interval with `confidence`.
  std::optional<RateInterval> rate;
  double confidence = 0.95;
};
// One failure: the run's own, the most frequent one. Of a batch, the run that tells most.
std::string batch_mail(const BatchRecord& batch, const MailOptions& options = {});

// The command as a shell reads it, in lines of at most `columns` that it joins again; the lines
// begin with `indent`, which they may as long as no word has to be broken.
std::string shell_lines(const std::vector<std::string>& argv, std::size_t columns,
                        const std::string& indent);

}  // namespace ktrial::results
