// Mails as their text: MIME parts decoded, unpacked and unwrapped. Pure, bounded.
#pragma once

#include <vector>

#include "harness/mail/message.h"
#include "harness/mail/splitter.h"

namespace ktrial::mail {

// A mail and the mails in it (digests, forwarded ones), the outer one first.
std::vector<Message> read_mail(const Piece& piece);

}  // namespace ktrial::mail
