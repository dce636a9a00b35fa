// The kernel's types, read from its BTF section (Documentation/bpf/btf.rst): where a
// struct keeps a member in this very build. The bytes come from a guest: untrusted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::introspect {

class Btf {
 public:
  // Keeps the bytes. An error if the section is not sound from end to end.
  static Result<Btf> parse(std::string bytes);

  struct Field {
    std::uint64_t offset = 0;  // bytes from the start of the outermost struct
    std::uint32_t bit = 0;     // of a bit field: its first bit, counted from `offset`
    std::uint32_t bits = 0;    // of a bit field: its width; 0: no bit field
  };
  // `path`: "member" or "member.inner"; members of anonymous structs and unions are found
  // by their own name. The error names what this kernel does not have.
  Result<Field> field(std::string_view struct_name, std::string_view path) const;
  // The byte offset alone; bit fields are refused.
  Result<std::uint64_t> offset(std::string_view struct_name, std::string_view path) const;
  bool has(std::string_view struct_name, std::string_view path) const {
    return field(struct_name, path).has_value();
  }
  Result<std::uint64_t> size(std::string_view struct_name) const;
  // The value of an enumerator of any enum of 32 bits. Looks through all of them.
  Result<std::uint32_t> enumerator(std::string_view name) const;

 private:
  struct Type {
    std::uint32_t at = 0;  // offset of its record in bytes_
    std::uint32_t kind = 0, count = 0;
    bool kind_flag = false;
  };
  Btf() = default;
  Status index_types(std::size_t begin, std::size_t end);
  std::uint32_t word(std::size_t at) const;
  std::string_view string(std::uint32_t offset) const;
  const Type* type(std::uint32_t id) const;
  const Type* resolved(std::uint32_t id) const;  // through typedefs and qualifiers
  const Type* find_struct(std::string_view name) const;
  // Where `name` is in `of`; the member's type id goes into `id`.
  bool find_member(const Type& of, std::string_view name, int depth, Field& field,
                   std::uint32_t& id) const;

  std::string bytes_;
  std::size_t strings_ = 0, strings_size_ = 0;
  std::vector<Type> types_;  // [0] is void
  std::unordered_map<std::string_view, std::uint32_t> structs_;
};

}  // namespace ktrial::introspect
