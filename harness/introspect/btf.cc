#include "harness/introspect/btf.h"

#include <fmt/format.h>

#include <cstring>

namespace ktrial::introspect {

namespace {

enum Kind : std::uint32_t {
  kInt = 1,
  kPointer,
  kArray,
  kStruct,
  kUnion,
  kEnum,
  kForward,
  kTypedef,
  kVolatile,
  kConst,
  kRestrict,
  kFunction,
  kPrototype,
  kVariable,
  kSection,
  kFloat,
  kDeclTag,
  kTypeTag,
  kEnum64,
};

constexpr std::size_t kHeader = 24, kRecord = 12, kMember = 12;
constexpr int kMaxDepth = 16;  // of anonymous members and of typedef chains

// Bytes that follow a type's record; SIZE_MAX: an unknown kind.
std::size_t extra_bytes(std::uint32_t kind, std::uint32_t count) {
  switch (kind) {
    case kInt:
    case kVariable:
    case kDeclTag:
      return 4;
    case kArray:
      return 12;
    case kStruct:
    case kUnion:
      return kMember * count;
    case kEnum:
    case kPrototype:
      return 8 * count;
    case kSection:
    case kEnum64:
      return 12 * count;
    case kPointer:
    case kForward:
    case kTypedef:
    case kVolatile:
    case kConst:
    case kRestrict:
    case kFunction:
    case kFloat:
    case kTypeTag:
      return 0;
    default:
      return SIZE_MAX;
  }
}

std::unexpected<Error> bad_btf(const std::string& what) {
  return fail(ErrorKind::protocol, "BTF: " + what);
}

}  // namespace

std::uint32_t Btf::word(std::size_t at) const {
  std::uint32_t value = 0;
  if (at + 4 <= bytes_.size()) std::memcpy(&value, bytes_.data() + at, 4);
  return value;
}

std::string_view Btf::string(std::uint32_t offset) const {
  if (offset >= strings_size_) return {};
  const char* text = bytes_.data() + strings_ + offset;
  return {text, ::strnlen(text, strings_size_ - offset)};
}

Result<Btf> Btf::parse(std::string bytes) {
  Btf btf;
  btf.bytes_ = std::move(bytes);
  constexpr std::uint32_t kMagic = 0xeb9f;
  if (btf.bytes_.size() < kHeader || (btf.word(0) & 0xffff) != kMagic)
    return bad_btf("no magic number of a little-endian section");
  const std::uint64_t header = btf.word(4), types = btf.word(8), types_size = btf.word(12),
                      strings = btf.word(16), strings_size = btf.word(20);
  if (header < kHeader || header + types + types_size > btf.bytes_.size() ||
      header + strings + strings_size > btf.bytes_.size())
    return bad_btf("sections lie outside of it");
  btf.strings_ = header + strings;
  btf.strings_size_ = strings_size;
  KTRIAL_TRY(btf.index_types(header + types, header + types + types_size));
  return btf;
}

Status Btf::index_types(std::size_t begin, std::size_t end) {
  types_.push_back({});
  for (std::size_t at = begin; at < end;) {
    if (end - at < kRecord) return bad_btf("the last type is cut");
    const std::uint32_t info = word(at + 4);
    const Type type{static_cast<std::uint32_t>(at), info >> 24 & 0x1f, info & 0xffff,
                    info >> 31 != 0};
    const std::size_t extra = extra_bytes(type.kind, type.count);
    if (extra > end - at - kRecord)
      return bad_btf(fmt::format("type {} of kind {} does not fit", types_.size(), type.kind));
    if (type.kind == kStruct || type.kind == kUnion)
      if (auto name = string(word(at)); !name.empty())
        structs_.try_emplace(name, static_cast<std::uint32_t>(types_.size()));
    types_.push_back(type);
    at += kRecord + extra;
  }
  return {};
}

const Btf::Type* Btf::type(std::uint32_t id) const {
  return id != 0 && id < types_.size() ? &types_[id] : nullptr;
}

const Btf::Type* Btf::resolved(std::uint32_t id) const {
  const Type* found = type(id);
  for (int depth = 0; found != nullptr && depth < kMaxDepth; ++depth) {
    if (found->kind != kTypedef && found->kind != kVolatile && found->kind != kConst &&
        found->kind != kRestrict && found->kind != kTypeTag)
      return found;
    found = type(word(found->at + 8));
  }
  return nullptr;
}

const Btf::Type* Btf::find_struct(std::string_view name) const {
  auto it = structs_.find(name);
  return it == structs_.end() ? nullptr : &types_[it->second];
}

bool Btf::find_member(const Type& of, std::string_view name, int depth, Field& field,
                      std::uint32_t& id) const {
  if (of.kind != kStruct && of.kind != kUnion) return false;
  for (std::uint32_t i = 0; i < of.count; ++i) {
    const std::size_t at = of.at + kRecord + kMember * i;
    const std::string_view member = string(word(at));
    const std::uint32_t where = word(at + 8);
    const std::uint32_t bit = of.kind_flag ? where & 0xffffff : where;
    const std::uint32_t bits = of.kind_flag ? where >> 24 : 0;
    Field here{field.offset + bit / 8, bit % 8, bits};
    if (member == name) {
      id = word(at + 4);
      field = here;
      return true;
    }
    if (!member.empty() || depth >= kMaxDepth) continue;
    const Type* inner = resolved(word(at + 4));
    if (inner != nullptr && find_member(*inner, name, depth + 1, here, id)) {
      field = here;
      return true;
    }
  }
  return false;
}

Result<Btf::Field> Btf::field(std::string_view struct_name, std::string_view path) const {
  const Type* at = find_struct(struct_name);
  Field field;
  for (std::string_view rest = path; at != nullptr;) {
    const std::string_view name = rest.substr(0, rest.find('.'));
    std::uint32_t id = 0;
    if (!find_member(*at, name, 0, field, id)) break;
    if (name.size() == rest.size()) return field;
    rest.remove_prefix(name.size() + 1);
    at = resolved(id);
  }
  return fail(ErrorKind::protocol,
              fmt::format("this kernel has no struct {} with a member {}", struct_name, path));
}

Result<std::uint64_t> Btf::offset(std::string_view struct_name, std::string_view path) const {
  const Field found = KTRIAL_TRY(field(struct_name, path));
  if (found.bits != 0)
    return fail(ErrorKind::protocol, fmt::format("{}.{} is a bit field", struct_name, path));
  return found.offset;
}

Result<std::uint64_t> Btf::size(std::string_view struct_name) const {
  const Type* found = find_struct(struct_name);
  if (found == nullptr)
    return fail(ErrorKind::protocol, fmt::format("this kernel has no struct {}", struct_name));
  return word(found->at + 8);
}

Result<std::uint32_t> Btf::enumerator(std::string_view name) const {
  constexpr std::size_t kEnumerator = 8;
  for (const Type& type : types_) {
    if (type.kind != kEnum) continue;
    for (std::uint32_t i = 0; i < type.count; ++i) {
      const std::size_t at = type.at + kRecord + kEnumerator * i;
      if (string(word(at)) == name) return word(at + 4);
    }
  }
  return fail(ErrorKind::protocol, fmt::format("this kernel has no enumerator {}", name));
}

}  // namespace ktrial::introspect
