#include "harness/introspect/core_file.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "harness/base/file.h"
#include "harness/introspect/elf_header.h"
#include "harness/introspect/isas.h"

namespace ktrial::introspect {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kPage = 4096, kBlock = 1u << 20;

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::uint64_t page_up(std::uint64_t n) { return (n + kPage - 1) / kPage * kPage; }

void append_note(std::string& out, std::string_view name, std::uint32_t type,
                 std::string_view content) {
  const Elf64_Nhdr header{static_cast<std::uint32_t>(name.size() + 1),
                          static_cast<std::uint32_t>(content.size()), type};
  out += bytes_of(header);
  for (std::string_view part : {name, content}) {
    out += part;
    if (part.data() == name.data()) out.push_back('\0');
    out.resize((out.size() + 3) / 4 * 4);
  }
}

std::string make_notes(const Isa& isa, const Kernel* kernel,
                       std::span<const vm::VcpuSample> registers) {
  std::string out;
  for (const vm::VcpuSample& cpu : registers)
    append_note(out, "CORE", NT_PRSTATUS, isa.prstatus(cpu));
  if (kernel != nullptr) append_note(out, "VMCOREINFO", 0, kernel->info().text());
  return out;
}

Elf64_Phdr load(std::uint64_t offset, std::uint64_t virtual_address, const Range& physical) {
  return {.p_type = PT_LOAD,
          .p_flags = PF_R | PF_W | PF_X,
          .p_offset = offset,
          .p_vaddr = virtual_address,
          .p_paddr = physical.begin,
          .p_filesz = physical.end - physical.begin,
          .p_memsz = physical.end - physical.begin,
          .p_align = 0};
}

// RAM and where each range of it is in the file.
struct Placed {
  Range physical;
  std::uint64_t offset;
};

// The image at its link addresses, as the kernel describes itself to kdump; its
// bytes are those of the RAM's own PT_LOAD.
std::vector<Elf64_Phdr> image_load(const Kernel& kernel, std::span<const Placed> ram) {
  const auto begin = kernel.symbols().address("_text"), end = kernel.symbols().address("_end");
  if (!begin || !end || *end <= *begin) return {};
  const auto place = kernel.page_tables().translate(*begin);
  if (!place) return {};
  const Range image{place->physical, place->physical + page_up(*end - *begin)};
  for (const Placed& range : ram)
    if (image.begin >= range.physical.begin && image.end <= range.physical.end)
      return {load(range.offset + (image.begin - range.physical.begin), *begin, image)};
  return {};
}

std::vector<Elf64_Phdr> make_loads(const Kernel* kernel, std::span<const Placed> ram) {
  std::vector<Elf64_Phdr> out;
  if (kernel != nullptr) out = image_load(*kernel, ram);
  const std::uint64_t base =
      kernel != nullptr ? kernel->isa().direct_map(*kernel, kernel->symbols(), kernel->info()) : 0;
  for (const Placed& range : ram)
    out.push_back(load(range.offset, base + range.physical.begin, range.physical));
  return out;
}

Elf64_Ehdr make_header(const Isa& isa, std::size_t program_headers) {
  Elf64_Ehdr out = elf_header(isa, ET_CORE);
  out.e_phoff = sizeof out;
  out.e_phentsize = sizeof(Elf64_Phdr);
  out.e_phnum = static_cast<Elf64_Half>(program_headers);
  return out;
}

Status write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write the core file", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

bool is_zero(std::span<const std::byte> page) {
  return std::all_of(page.begin(), page.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Leaves out pages of zeroes.
Status write_block(int fd, std::span<const std::byte> block, std::uint64_t offset) {
  for (std::size_t at = 0; at < block.size();) {
    auto page_at = [&](std::size_t i) {
      return block.subspan(i, std::min(kPage, block.size() - i));
    };
    std::size_t end = at;
    while (end < block.size() && !is_zero(page_at(end))) end += page_at(end).size();
    KTRIAL_TRY(write_at(fd, block.subspan(at, end - at), offset + at));
    at = end < block.size() ? end + page_at(end).size() : end;
  }
  return {};
}

Status write_memory(int fd, const PhysicalMemory& memory, std::span<const Placed> ram) {
  std::vector<std::byte> block(kBlock);
  for (const Range& data : memory.data_ranges()) {
    const auto home = std::find_if(ram.begin(), ram.end(), [&](const Placed& range) {
      return data.begin >= range.physical.begin && data.end <= range.physical.end;
    });
    if (home == ram.end()) return fail(ErrorKind::internal, "data outside RAM");
    for (std::uint64_t at = data.begin; at < data.end; at += kBlock) {
      const auto part = std::span(block).first(std::min(kBlock, data.end - at));
      KTRIAL_TRY(memory.read(at, part));
      KTRIAL_TRY(write_block(fd, part, home->offset + (at - home->physical.begin)));
    }
  }
  return {};
}

Status write_to(int fd, const PhysicalMemory& memory, const Kernel* kernel,
                std::span<const vm::VcpuSample> registers) {
  const Isa& isa = kernel != nullptr ? kernel->isa() : *isas().front();
  const std::vector<Range> ranges = memory.ram_ranges();
  const std::string notes = make_notes(isa, kernel, registers);
  // One header for the notes, one for each range of RAM, maybe one for the image.
  const std::uint64_t notes_at = sizeof(Elf64_Ehdr) + (ranges.size() + 2) * sizeof(Elf64_Phdr);
  std::uint64_t end = page_up(notes_at + notes.size());
  std::vector<Placed> ram;
  for (const Range& range : ranges) {
    ram.push_back({range, end});
    end += page_up(range.end - range.begin);
  }
  std::vector<Elf64_Phdr> loads = make_loads(kernel, ram);
  const Elf64_Phdr note{.p_type = PT_NOTE,
                        .p_flags = 0,
                        .p_offset = notes_at,
                        .p_vaddr = 0,
                        .p_paddr = 0,
                        .p_filesz = notes.size(),
                        .p_memsz = notes.size(),
                        .p_align = 0};
  std::string head(bytes_of(make_header(isa, loads.size() + 1)));
  head += bytes_of(note);
  for (const Elf64_Phdr& one : loads) head += bytes_of(one);
  head.resize(notes_at);
  head += notes;
  if (::ftruncate(fd, static_cast<off_t>(end)) != 0) return fail_errno("core file", errno);
  KTRIAL_TRY(write_at(fd, std::as_bytes(std::span(head)), 0));
  return write_memory(fd, memory, ram);
}

}  // namespace

Status write_core_file(const PhysicalMemory& memory, const Kernel* kernel,
                       std::span<const vm::VcpuSample> registers, const fs::path& path) {
  fs::path partial = path;
  partial += ".partial";
  std::error_code ignored;
  const Fd file = KTRIAL_TRY(open_file(partial, O_RDWR | O_CREAT | O_TRUNC, 0600));
  auto written = write_to(file.get(), memory, kernel, registers);
  if (written && ::rename(partial.c_str(), path.c_str()) != 0)
    written = fail_errno("rename " + partial.string(), errno);
  if (!written) {
    fs::remove(partial, ignored);
    return std::unexpected(std::move(written).error().in(path.string()));
  }
  return {};
}

}  // namespace ktrial::introspect
