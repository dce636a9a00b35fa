// Lines that speak of the machine under the kernel, not of a kernel bug.
#pragma once

#include <string_view>

namespace ktrial::console {

enum class EnvironmentSymptom { none, symptom, dropped_messages };
EnvironmentSymptom environment_symptom(std::string_view body);

}  // namespace ktrial::console
