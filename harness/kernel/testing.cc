#include "harness/kernel/testing.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>

#include <cstdint>
#include <cstring>
#include <fstream>

namespace ktrial::kernel::testing {
namespace fs = std::filesystem;
namespace {

template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}
template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

using Files = std::vector<std::pair<std::string, std::string>>;

std::string make_archive(const Files& files, bool ar) {
  std::string bytes(1 << 20, '\0');
  for (const auto& [name, content] : files) bytes.resize(bytes.size() + content.size() + 4096);
  std::size_t used = 0;
  archive* writer = archive_write_new();
  if (ar)
    archive_write_set_format_ar_svr4(writer);
  else
    archive_write_set_format_ustar(writer);
  archive_write_set_bytes_per_block(writer, 0);
  EXPECT_EQ(archive_write_open_memory(writer, bytes.data(), bytes.size(), &used), ARCHIVE_OK);
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
    archive_write_data(writer, content.data(), content.size());
    archive_entry_free(entry);
  }
  EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

}  // namespace

void write(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

void write_compressed(const fs::path& path, std::string_view bytes, int (*filter)(archive*)) {
  archive* writer = archive_write_new();
  filter(writer);
  archive_write_set_format_raw(writer);
  ASSERT_EQ(archive_write_open_filename(writer, path.c_str()), ARCHIVE_OK);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, bytes.data(), bytes.size());
  archive_entry_free(entry);
  ASSERT_EQ(archive_write_free(writer), ARCHIVE_OK);
}

std::string make_bzimage(std::string_view release, std::size_t payload) {
  std::string bytes(5 * 512 + payload, '\0');
  put<std::uint8_t>(bytes, 0x1f1, 4);
  put<std::uint32_t>(bytes, 0x1f4, static_cast<std::uint32_t>(payload / 16));
  put<std::uint16_t>(bytes, 0x1fe, 0xAA55);
  bytes.replace(0x202, 4, "HdrS");
  put<std::uint16_t>(bytes, 0x206, 0x20f);
  put<std::uint16_t>(bytes, 0x20e, 0x400);
  put<std::uint8_t>(bytes, 0x211, 1);
  put<std::uint16_t>(bytes, 0x236, 1);
  const std::string version = std::string(release) + " (who@where) #1 SMP";
  bytes.replace(0x600, version.size(), version);
  return bytes;
}

std::string make_elf(const ElfSpec& spec) {
  const std::string names("\0.modinfo\0.shstrtab\0", 20);
  std::string bytes(sizeof(Elf64_Ehdr) + spec.segments.size() * sizeof(Elf64_Phdr), '\0');
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = spec.type;
  header.e_machine = spec.machine;
  header.e_phoff = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(spec.segments.size());
  for (std::size_t i = 0; i < spec.segments.size(); ++i) {
    Elf64_Phdr segment{};
    segment.p_type = spec.segments[i].first;
    segment.p_offset = bytes.size();
    segment.p_filesz = spec.segments[i].second.size();
    put(bytes, sizeof(Elf64_Ehdr) + i * sizeof(Elf64_Phdr), segment);
    bytes += spec.segments[i].second;
  }
  if (!spec.modinfo.empty()) {
    Elf64_Shdr modinfo{}, strings{};
    modinfo.sh_name = 1;
    modinfo.sh_type = SHT_PROGBITS;
    modinfo.sh_offset = bytes.size();
    modinfo.sh_size = spec.modinfo.size();
    bytes += spec.modinfo;
    strings.sh_name = 10;
    strings.sh_type = SHT_STRTAB;
    strings.sh_offset = bytes.size();
    strings.sh_size = names.size();
    bytes += names;
    header.e_shoff = bytes.size();
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 3;
    header.e_shstrndx = 2;
    append(bytes, Elf64_Shdr{});
    append(bytes, modinfo);
    append(bytes, strings);
  }
  put(bytes, 0, header);
  return bytes;
}

std::string make_module(std::string_view name, std::string_view depends, std::string_view release,
                        const std::vector<std::string>& extra) {
  std::string modinfo;
  auto add = [&](const std::string& item) { modinfo.append(item.c_str(), item.size() + 1); };
  add("license=GPL");
  add("depends=" + std::string(depends));
  add("name=" + std::string(name));
  add("vermagic=" + std::string(release) + " SMP mod_unload ");
  for (const std::string& item : extra) add(item);
  return make_elf({.type = ET_REL, .modinfo = modinfo, .segments = {}});
}

std::string make_vmlinux(std::string_view release, bool pvh) {
  const std::string banner = std::string("Linux version %s") + '\0' + "Linux version " +
                             std::string(release) + " (who@where) #1 SMP";
  std::string note;
  append(note, Elf64_Nhdr{4, 4, pvh ? 18u : 1u});
  note += std::string("Xen\0\0\0\0\1", 8);
  return make_elf(
      {.type = ET_EXEC, .modinfo = "", .segments = {{PT_LOAD, banner}, {PT_NOTE, note}}});
}

void make_deb(const fs::path& file, std::string_view control, const Files& files) {
  write(file,
        make_archive({{"debian-binary", "2.0\n"},
                      {"control.tar", make_archive({{"./control", std::string(control)}}, false)},
                      {"data.tar", make_archive(files, false)}},
                     true));
}

}  // namespace ktrial::kernel::testing
