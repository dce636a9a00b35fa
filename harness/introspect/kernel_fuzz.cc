// A small kernel's memory with a few bytes changed: opening it, its log, its BTF
// and walks of its page tables end, within bounds, whatever is changed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "harness/introspect/fake_kernel.h"
#include "harness/introspect/kernel.h"

namespace {

using namespace ktrial::introspect;

void check(bool ok) {
  if (!ok) std::abort();
}

const std::vector<std::byte>& pristine() {
  static const std::vector<std::byte> bytes = [] {
    FakeKernel fake(0x1000000);
    const std::uint64_t base = FakeKernel::kLinked + 0x1000000;
    const std::uint64_t btf = fake.add("\x9f\xeb types");
    std::vector<LogRecord> records;
    for (std::uint64_t i = 0; i < 100; ++i)
      records.push_back({.sequence = i, .ns = i, .caller = "T1", .text = std::string(i % 40, 'x')});
    fake.add_log(records, 6, 11);
    fake.add_kallsyms({{0x1000, 'A', "per_cpu", ""},
                       {base, 'T', "_text", ""},
                       {base + 0x100, 't', "mm_get_cid", ""},
                       {btf, 'D', "__start_BTF", ""},
                       {btf + 8, 'D', "__stop_BTF", ""}},
                      KallsymsForm::absolute_per_cpu);
    return fake.finish()->bytes();
  }();
  return bytes;
}

// Each change: where (three bytes, little endian) and what (eight).
void change(std::vector<std::byte>& bytes, const std::uint8_t* data, std::size_t size) {
  for (; size >= 11; data += 11, size -= 11) {
    const std::size_t at = data[0] | data[1] << 8 | (data[2] & 3) << 16;
    std::memcpy(&bytes[at % (bytes.size() - 8)], data + 3, 8);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto memory = std::make_shared<FakeMemory>(FakeKernel::kPhysical, FakeKernel::kSize);
  memory->bytes() = pristine();
  change(memory->bytes(), data, size);
  const auto kernel = Kernel::open(memory, {});
  check(kernel || size >= 11);
  if (!kernel) return 0;
  check((*kernel)->symbols().all().empty() == (*kernel)->symbols_error().has_value());
  if (const auto records = read_log(**kernel, (*kernel)->info())) {
    check(records->size() <= 1u << 22);
    for (const LogRecord& record : *records) check(record.text.size() < 1u << 16);
  }
  if (const auto btf = (*kernel)->btf_bytes()) check(btf->size() <= FakeKernel::kSize);
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    std::uint64_t address;
    std::memcpy(&address, data + i, 8);
    const auto place = (*kernel)->page_tables().translate(address);
    if (place) check(place->bytes > 0 && place->bytes <= 1u << 30 && address >> 56 == 0xff);
  }
  return 0;
}
