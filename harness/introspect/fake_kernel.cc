#include "harness/introspect/fake_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace ktrial::introspect {

namespace {

template <class T>
std::string packed(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// Token 1 stands for "mm_", every other for its own character.
std::string token(unsigned number) {
  if (number == 0) return "";
  return number == 1 ? "mm_" : std::string(1, static_cast<char>(number));
}

std::string compressed(std::string name) {
  for (std::size_t at; (at = name.find("mm_")) != std::string::npos;) name.replace(at, 3, "\1");
  std::string out;
  if (name.size() < 0x80) {
    out.push_back(static_cast<char>(name.size()));
  } else {
    out.push_back(static_cast<char>(0x80 | (name.size() & 0x7f)));
    out.push_back(static_cast<char>(name.size() >> 7));
  }
  return out + name;
}

constexpr std::uint64_t kTable = 0x63, kLargePage = 0xe3;  // flags of entries

// The layout of 6.1 on x86-64.
constexpr char kLogLayout[] =
    "OFFSET(printk_ringbuffer.desc_ring)=0\nOFFSET(printk_ringbuffer.text_data_ring)=48\n"
    "OFFSET(prb_desc_ring.count_bits)=0\nOFFSET(prb_desc_ring.descs)=8\n"
    "OFFSET(prb_desc_ring.infos)=16\nOFFSET(prb_desc_ring.head_id)=24\n"
    "OFFSET(prb_desc_ring.tail_id)=32\nSIZE(prb_desc)=24\nOFFSET(prb_desc.state_var)=0\n"
    "OFFSET(prb_desc.text_blk_lpos)=8\nOFFSET(prb_data_blk_lpos.begin)=0\n"
    "OFFSET(prb_data_blk_lpos.next)=8\nSIZE(printk_info)=88\nOFFSET(printk_info.seq)=0\n"
    "OFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n"
    "OFFSET(printk_info.caller_id)=20\nOFFSET(prb_data_ring.size_bits)=0\n"
    "OFFSET(prb_data_ring.data)=8\nOFFSET(atomic_long_t.counter)=0";

}  // namespace

Status FakeMemory::read(std::uint64_t address, std::span<std::byte> out) const {
  if (address < begin_ || address - begin_ > bytes_.size() ||
      out.size() > bytes_.size() - (address - begin_))
    return fail(ErrorKind::protocol, "no RAM");
  std::copy_n(bytes_.begin() + static_cast<long>(address - begin_), out.size(), out.begin());
  return {};
}

void FakeMemory::put(std::uint64_t address, std::string_view content) {
  std::memcpy(&bytes_.at(address - begin_ + content.size() - 1) - (content.size() - 1),
              content.data(), content.size());
}

void FakeMemory::put_word(std::uint64_t address, std::uint64_t value) {
  put(address, packed(value));
}

FakeKernel::FakeKernel(std::uint64_t kaslr_offset, int levels)
    : base_(kLinked + kaslr_offset), next_(base_) {
  info_ = fmt::format("OSRELEASE=6.1.0-fake\nBUILD-ID=00ff\nPAGESIZE=4096\nKERNELOFFSET={:x}\n",
                      kaslr_offset);
  make_page_tables(levels);
}

std::uint64_t FakeKernel::reserve(std::size_t size, std::size_t alignment) {
  next_ = (next_ + alignment - 1) / alignment * alignment;
  return std::exchange(next_, next_ + size);
}

std::uint64_t FakeKernel::add(std::string_view content, std::size_t alignment) {
  const std::uint64_t at = reserve(content.size(), alignment);
  if (!content.empty()) put(at, content);
  return at;
}

void FakeKernel::put(std::uint64_t address, std::string_view content) {
  memory_->put(physical(address), content);
}

void FakeKernel::put_word(std::uint64_t address, std::uint64_t value) {
  memory_->put_word(physical(address), value);
}

void FakeKernel::symbol(const char* name, std::uint64_t address) {
  add_line(fmt::format("SYMBOL({})={:x}", name, address));
}

void FakeKernel::map_again(std::uint64_t address) {
  std::uint64_t table = lower_;
  if (address >> 30 != base_ >> 30) {
    table = reserve(4096, 4096);
    put_word(upper_ + (address >> 30 & 511) * 8, physical(table) | kTable);
  }
  put_word(table + (address >> 21 & 511) * 8, kPhysical | kLargePage);
  again_ = address;
}

void FakeKernel::make_page_tables(int levels) {
  const std::uint64_t root = reserve(4096, 4096);
  std::uint64_t table = root;
  for (int level = levels; level > 2; --level) {
    const std::uint64_t next = reserve(4096, 4096);
    if (level == 3) upper_ = table;
    const std::uint64_t index = base_ >> (12 + 9 * (level - 1)) & 511;
    put_word(table + index * 8, physical(next) | kTable);
    table = next;
  }
  lower_ = table;
  put_word(lower_ + (base_ >> 21 & 511) * 8, kPhysical | kLargePage);
  symbol("swapper_pg_dir", root);
  const auto phys_base = static_cast<std::int64_t>(kPhysical - (base_ - 0xffffffff80000000));
  add_line(fmt::format("NUMBER(phys_base)={}", phys_base));
  add_line(fmt::format("NUMBER(pgtable_l5_enabled)={}", levels == 5 ? 1 : 0));
}

// As scripts/kallsyms.c puts them: the offsets come first where it is the old encoding.
void FakeKernel::add_kallsyms(const std::vector<Symbol>& symbols, KallsymsForm form, bool told,
                              bool sequence) {
  std::string names, markers, tokens, index, numbers;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    if (i % 256 == 0) markers += packed(static_cast<std::uint32_t>(names.size()));
    names += compressed(symbols[i].type + symbols[i].name);
    const std::size_t number = (i * 7 + 3) % symbols.size();  // any order
    for (int shift = 16; shift >= 0; shift -= 8)
      numbers.push_back(static_cast<char>(number >> shift));
  }
  for (unsigned i = 0; i < 256; ++i) {
    index += packed(static_cast<std::uint16_t>(tokens.size()));
    tokens += token(i) + '\0';
  }
  auto place = [&](const char* name, std::uint64_t at) {
    if (told) symbol(name, at);
  };
  auto add_offsets = [&] {
    place("kallsyms_offsets", add(offsets_of(symbols, form, (next_ + 7) & ~7ull)));
    if (form != KallsymsForm::place_relative) place("kallsyms_relative_base", add(packed(base_)));
  };
  if (form == KallsymsForm::absolute_per_cpu) add_offsets();
  place("kallsyms_num_syms", add(packed(static_cast<std::uint32_t>(symbols.size()))));
  place("kallsyms_names", add(names));
  add(markers);
  if (sequence) add(numbers);
  place("kallsyms_token_table", add(tokens));
  place("kallsyms_token_index", add(index));
  if (form != KallsymsForm::absolute_per_cpu) add_offsets();
}

std::string FakeKernel::offsets_of(const std::vector<Symbol>& symbols, KallsymsForm form,
                                   std::uint64_t at) const {
  std::string out;
  for (const Symbol& one : symbols) {
    std::uint64_t offset = one.address - base_;
    if (form == KallsymsForm::absolute_per_cpu)
      offset = one.address >= base_ ? base_ - 1 - one.address : one.address;
    if (form == KallsymsForm::place_relative) offset = one.address - at - out.size();
    out += packed(static_cast<std::uint32_t>(offset));
  }
  return out;
}

void FakeKernel::add_log(const std::vector<LogRecord>& records, unsigned count_bits,
                         unsigned data_bits) {
  const std::uint64_t count = 1ull << count_bits, size = 1ull << data_bits;
  const std::uint64_t descs = reserve(count * 24), infos = reserve(count * 88);
  const std::uint64_t data = reserve(size);
  const std::uint64_t first = (1ull << 62) - count;  // ids start just before they wrap, as printk's
  std::uint64_t id = first - 1, position = 0 - size;
  for (const LogRecord& record : records) {
    id = (first + record.sequence) & ~0ull >> 2;
    const std::uint64_t desc = descs + (id & (count - 1)) * 24;
    const std::uint64_t info = infos + (id & (count - 1)) * 88;
    std::uint64_t begin = 3, next = 3;
    if (!record.text.empty()) {
      const std::uint64_t length = 8 + (record.text.size() + 7) / 8 * 8;
      begin = position;
      next = begin + length;
      std::uint64_t block = begin & (size - 1);
      if (begin >> data_bits != (next - 1) >> data_bits) {
        next = ((next - 1) >> data_bits << data_bits) + length;
        block = 0;
      }
      put_word(data + block, id);
      put(data + block + 8, record.text);
      position = next;
    }
    constexpr std::uint64_t kFinalized = 2ull << 62;
    put(desc, packed(id | kFinalized) + packed(begin) + packed(next));
    const auto level = static_cast<std::uint8_t>(record.level << 5 | 2);
    const auto caller = static_cast<std::uint32_t>(std::stoul(record.caller.substr(1)));
    put(info, packed(record.sequence) + packed(record.ns) +
                  packed(static_cast<std::uint16_t>(record.text.size())) +
                  packed(static_cast<std::uint8_t>(record.facility)) + packed(level) +
                  packed(record.caller[0] == 'C' ? caller | 1u << 31 : caller));
  }
  const std::uint64_t held = std::min<std::uint64_t>(records.size(), count);
  const std::uint64_t tail = (id + 1 - held) & ~0ull >> 2;
  const std::uint64_t ring = add(packed(std::uint64_t{count_bits}) + packed(descs) + packed(infos) +
                                 packed(id) + packed(tail) + packed(std::uint64_t{0}) +
                                 packed(std::uint64_t{data_bits}) + packed(data));
  symbol("prb", add(packed(ring)));
  add_line(kLogLayout);
}

std::string FakeKernel::note(std::string_view text) {
  return packed(11u) + packed(static_cast<std::uint32_t>(text.size())) + packed(0u) +
         std::string("VMCOREINFO\0\0", 12) + std::string(text);
}

std::shared_ptr<FakeMemory> FakeKernel::finish() {
  add(note(info_), 4096);
  return memory_;
}

}  // namespace ktrial::introspect
