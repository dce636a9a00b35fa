#include "harness/introspect/symbol_file.h"

#include <elf.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "harness/introspect/elf_header.h"

namespace ktrial::introspect {

namespace {

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// A part of the kernel's addresses. It has no bytes: a debugger asks the guest for them.
struct Part {
  const char* name;
  Range range;
  std::uint64_t flags;
};

std::vector<Part> parts_of(const Isa& isa, const SymbolTable& symbols) {
  std::vector<Part> out;
  const auto begin = symbols.address("_text"), code_end = symbols.address("_etext"),
             end = symbols.address("_end");
  if (begin && code_end && *begin < *code_end)
    out.push_back({".text", {*begin, *code_end}, SHF_ALLOC | SHF_EXECINSTR});
  if (code_end && end && *code_end < *end)
    out.push_back({".data", {*code_end, *end}, SHF_ALLOC | SHF_WRITE});
  Range modules{~0ull, 0};
  for (const Symbol& symbol : symbols.all()) {
    if (symbol.module.empty() || symbol.address < isa.modules.begin ||
        symbol.address >= isa.modules.end)
      continue;
    modules.begin = std::min(modules.begin, symbol.address);
    modules.end = std::max(modules.end, symbol.address + 4096);
  }
  if (modules.begin < modules.end) out.push_back({".modules", modules, SHF_ALLOC | SHF_EXECINSTR});
  return out;
}

Elf64_Half part_at(const std::vector<Part>& parts, std::uint64_t address) {
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (address >= parts[i].range.begin && address < parts[i].range.end)
      return static_cast<Elf64_Half>(i + 1);
  return SHN_ABS;
}

struct Table {
  std::string entries, names = std::string(1, '\0');
  Elf64_Word locals = 1;
};

// Local ones first, as ELF wants it.
Table symbol_table(const std::vector<Part>& parts, const SymbolTable& symbols) {
  Table out;
  append(out.entries, Elf64_Sym{});
  for (const bool global : {false, true})
    for (const Symbol& symbol : symbols.all()) {
      if ((std::isupper(static_cast<unsigned char>(symbol.type)) != 0) != global) continue;
      const bool code = std::strchr("tTwW", symbol.type) != nullptr;
      Elf64_Sym entry{};
      entry.st_name = static_cast<Elf64_Word>(out.names.size());
      entry.st_info = static_cast<unsigned char>(
          ELF64_ST_INFO(global ? STB_GLOBAL : STB_LOCAL, code ? STT_FUNC : STT_OBJECT));
      entry.st_shndx = part_at(parts, symbol.address);
      entry.st_value = symbol.address;
      append(out.entries, entry);
      out.names += symbol.name;
      out.names.push_back('\0');
      if (!global) ++out.locals;
    }
  return out;
}

}  // namespace

std::string symbol_file(const Isa& isa, const SymbolTable& symbols,
                        const std::string& call_frames) {
  const std::vector<Part> parts = parts_of(isa, symbols);
  const Table table = symbol_table(parts, symbols);
  std::string out(sizeof(Elf64_Ehdr), '\0'), names(1, '\0');
  std::vector<Elf64_Shdr> sections(1);
  const auto section = [&](const char* name, Elf64_Word type) -> Elf64_Shdr& {
    Elf64_Shdr header{};
    header.sh_name = static_cast<Elf64_Word>(names.size());
    header.sh_type = type;
    header.sh_addralign = 8;
    names += name;
    names.push_back('\0');
    return sections.emplace_back(header);
  };
  const auto fill = [&](Elf64_Shdr& header, const std::string& bytes) {
    out.resize((out.size() + 7) / 8 * 8);
    header.sh_offset = out.size();
    header.sh_size = bytes.size();
    out += bytes;
  };
  for (const Part& part : parts) {
    Elf64_Shdr& header = section(part.name, SHT_NOBITS);
    header.sh_flags = part.flags;
    header.sh_addr = part.range.begin;
    header.sh_size = part.range.end - part.range.begin;
  }
  if (!call_frames.empty()) fill(section(".debug_frame", SHT_PROGBITS), call_frames);
  Elf64_Shdr& symtab = section(".symtab", SHT_SYMTAB);
  symtab.sh_link = static_cast<Elf64_Word>(sections.size());
  symtab.sh_info = table.locals;
  symtab.sh_entsize = sizeof(Elf64_Sym);
  fill(symtab, table.entries);
  fill(section(".strtab", SHT_STRTAB), table.names);
  Elf64_Shdr& last = section(".shstrtab", SHT_STRTAB);
  fill(last, names);
  out.resize((out.size() + 7) / 8 * 8);

  Elf64_Ehdr header = elf_header(isa, ET_EXEC);
  header.e_shoff = out.size();
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<Elf64_Half>(sections.size());
  header.e_shstrndx = static_cast<Elf64_Half>(sections.size() - 1);
  std::memcpy(out.data(), &header, sizeof header);
  for (const Elf64_Shdr& one : sections) append(out, one);
  return out;
}

}  // namespace ktrial::introspect
