// Reports -> what they say. Pure; memory is bounded whatever comes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/mail/understanding.h"

namespace ktrial::mail {

// Takes files one after the other; what they hold belongs together.
class Reader {
 public:
  Reader();
  ~Reader();
  // A file begins; its name tells a program from a text.
  void begin(std::string_view name);
  void feed(std::string_view bytes);
  Understanding finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ktrial::mail
