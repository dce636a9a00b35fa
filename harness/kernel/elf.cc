#include "harness/kernel/elf.h"

#include <elf.h>

#include <cstring>

namespace ktrial::kernel {
namespace {

// memcpy because nothing says that the offsets in a file are aligned.
template <class T>
std::optional<T> read_at(std::string_view bytes, std::uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::optional<std::string_view> slice(std::string_view bytes, std::uint64_t offset,
                                      std::uint64_t size) {
  if (offset > bytes.size() || bytes.size() - offset < size) return std::nullopt;
  return bytes.substr(offset, size);
}

std::optional<std::string_view> c_string(std::string_view bytes, std::uint64_t offset) {
  if (offset >= bytes.size()) return std::nullopt;
  bytes.remove_prefix(offset);
  const std::size_t end = bytes.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  return bytes.substr(0, end);
}

std::uint64_t round_up_4(std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; }

}  // namespace

bool is_elf(std::string_view bytes) { return bytes.starts_with(std::string_view(ELFMAG, SELFMAG)); }

Result<ElfHeader> read_elf_header(std::string_view bytes) {
  if (!is_elf(bytes)) return usage_error("not an ELF file");
  const auto class_byte = read_at<unsigned char>(bytes, EI_CLASS);
  const auto order = read_at<unsigned char>(bytes, EI_DATA);
  auto type = read_at<std::uint16_t>(bytes, offsetof(Elf64_Ehdr, e_type));
  auto machine = read_at<std::uint16_t>(bytes, offsetof(Elf64_Ehdr, e_machine));
  if (!class_byte || !order || !type || !machine) return usage_error("truncated ELF header");
  ElfHeader header;
  header.is_64bit_little_endian = *class_byte == ELFCLASS64 && *order == ELFDATA2LSB;
  if (*order == ELFDATA2MSB) {
    type = __builtin_bswap16(*type);
    machine = __builtin_bswap16(*machine);
  }
  header.type = *type;
  header.machine = *machine;
  if (!header.is_64bit_little_endian) return header;
  const auto raw = read_at<Elf64_Ehdr>(bytes, 0);
  if (!raw) return usage_error("truncated ELF header");
  if (raw->e_phnum != 0 && raw->e_phentsize != sizeof(Elf64_Phdr))
    return usage_error("corrupt ELF header: odd program header size");
  if (raw->e_shnum != 0 && raw->e_shentsize != sizeof(Elf64_Shdr))
    return usage_error("corrupt ELF header: odd section header size");
  header.program_offset = raw->e_phoff;
  header.program_count = raw->e_phnum;
  header.section_offset = raw->e_shoff;
  header.section_count = raw->e_shnum;
  header.section_names_index = raw->e_shstrndx;
  return header;
}

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86_64";
    case EM_386:
      return "i386";
    case EM_AARCH64:
      return "arm64";
    case EM_ARM:
      return "arm";
    case EM_RISCV:
      return "riscv";
    case EM_PPC64:
      return "powerpc64";
    case EM_S390:
      return "s390";
    case EM_MIPS:
      return "mips";
    case EM_LOONGARCH:
      return "loongarch";
    default:
      return "ELF machine " + std::to_string(machine);
  }
}

Result<std::vector<ElfSegment>> read_segments(const ElfHeader& header, std::string_view bytes) {
  std::vector<ElfSegment> segments;
  for (std::uint64_t i = 0; i < header.program_count; ++i) {
    const std::uint64_t offset = header.program_offset + i * sizeof(Elf64_Phdr);
    const auto raw = read_at<Elf64_Phdr>(bytes, offset);
    if (offset < header.program_offset || !raw) return usage_error("truncated ELF program headers");
    segments.push_back({raw->p_type, raw->p_offset, raw->p_filesz});
  }
  return segments;
}

Result<std::optional<std::string_view>> find_section(const ElfHeader& header,
                                                     std::string_view bytes,
                                                     std::string_view name) {
  auto section = [&](std::uint64_t index) -> std::optional<Elf64_Shdr> {
    const std::uint64_t offset = header.section_offset + index * sizeof(Elf64_Shdr);
    if (offset < header.section_offset) return std::nullopt;
    return read_at<Elf64_Shdr>(bytes, offset);
  };
  if (header.section_count == 0) return std::nullopt;
  const auto names_header = section(header.section_names_index);
  if (header.section_names_index >= header.section_count || !names_header)
    return usage_error("truncated or corrupt ELF section headers");
  const auto names = slice(bytes, names_header->sh_offset, names_header->sh_size);
  if (!names) return usage_error("truncated ELF section names");
  for (std::uint64_t i = 0; i < header.section_count; ++i) {
    const auto raw = section(i);
    if (!raw) return usage_error("truncated ELF section headers");
    if (c_string(*names, raw->sh_name) != name || raw->sh_type == SHT_NOBITS) continue;
    const auto content = slice(bytes, raw->sh_offset, raw->sh_size);
    if (!content) return usage_error("truncated ELF section " + std::string(name));
    return content;
  }
  return std::nullopt;
}

std::vector<ElfNote> read_notes(std::string_view content) {
  std::vector<ElfNote> notes;
  for (std::uint64_t at = 0;;) {
    const auto raw = read_at<Elf64_Nhdr>(content, at);
    if (!raw) return notes;
    at += sizeof(Elf64_Nhdr);
    const auto name = slice(content, at, raw->n_namesz);
    if (!name) return notes;
    at += round_up_4(raw->n_namesz);
    const auto description = slice(content, at, raw->n_descsz);
    if (!description) return notes;
    at += round_up_4(raw->n_descsz);
    notes.push_back({name->substr(0, name->find('\0')), raw->n_type, *description});
  }
}

}  // namespace ktrial::kernel
