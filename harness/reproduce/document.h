// What `ktrial reproduce` tells, as text and as JSON. Pure.
#pragma once

#include <string>

#include "harness/mail/understand.h"

namespace ktrial::reproduce {

std::string plan_json(const mail::Understanding& understood);
std::string plan_text(const mail::Understanding& understood);

}  // namespace ktrial::reproduce
