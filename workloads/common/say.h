// A sentence about numbers, as printf makes it. At most 255 bytes.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <string>

namespace ktrial::workload {

__attribute__((format(printf, 1, 2))) inline std::string say(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

}  // namespace ktrial::workload
