// One visitor out of a function for each alternative of a variant; std::visit then refuses to
// compile where one is missing.
#pragma once

namespace ktrial {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace ktrial
