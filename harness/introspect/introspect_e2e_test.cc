// What is read from a stopped guest's RAM against the guest's own word, on
// kernels of several years, with and without KASLR, and with RAM above 4 GiB.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "harness/base/command.h"
#include "harness/introspect/core_file.h"
#include "harness/introspect/kallsyms_search.h"
#include "harness/introspect/log.h"
#include "harness/introspect/tasks_check.h"
#include "harness/introspect/witness_guest.h"

namespace ktrial::introspect {
namespace {

struct Case {
  const char* name;
  std::string_view kernel;
  WitnessConfig config;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

constexpr std::uint64_t kLarge = 5120;  // MiB: two parts, one above 4 GiB
constexpr char k73[] = "deb:linux-binary-7.3.4+deb13-cloud-amd64";
const Case kEveryday[] = {
    {"nokaslr_no5lvl", kernel::default_reference(), {.append = "nokaslr no5lvl pti=on"}},
    {"kaslr_large", kernel::default_reference(), {.memory_mib = kLarge}},
    {"dumped", kernel::default_reference(), {.share_ram = false}},
    {"microvm_large", kernel::default_reference(), {.memory_mib = kLarge, .machine = "microvm"}},
    // The newest of the suites when this was written; what comes later is the drift's.
    {"v73_kaslr", k73, {}},
};
// A long drill.
constexpr char k510[] = "deb:linux-image-5.10.0-32-cloud-amd64-unsigned";
constexpr char k612[] = "deb:linux-image-6.12.117+deb12-cloud-amd64";
constexpr char k618[] = "deb:linux-image-6.18.15+deb13-cloud-amd64";
constexpr char k619[] = "deb:linux-binary-6.19.6+deb13-cloud-amd64";
constexpr char k70[] = "deb:linux-binary-7.0.13+deb13-cloud-amd64";
constexpr char k71[] = "deb:linux-binary-7.1.13+deb13-cloud-amd64";
constexpr char k72[] = "deb:linux-binary-7.2.13+deb14-cloud-amd64";
const Case kDrill[] = {
    {"kaslr", kernel::default_reference(), {}},  // the others each differ from it in one thing
    {"v510_kaslr", k510, {}},
    {"v510_nokaslr_no5lvl", k510, {.append = "nokaslr no5lvl"}},
    {"v612_kaslr", k612, {}},
    {"v612_nokaslr_no5lvl", k612, {.append = "nokaslr no5lvl"}},
    {"v612_kaslr_large", k612, {.memory_mib = kLarge}},
    {"v618_kaslr", k618, {}},
    {"v618_nokaslr_no5lvl", k618, {.append = "nokaslr no5lvl"}},
    {"v618_kaslr_large", k618, {.memory_mib = kLarge}},
    {"v619_kaslr", k619, {}},
    {"v619_nokaslr_no5lvl", k619, {.append = "nokaslr no5lvl"}},
    {"v619_kaslr_large", k619, {.memory_mib = kLarge}},
    {"v70_kaslr", k70, {}},
    {"v70_nokaslr_no5lvl", k70, {.append = "nokaslr no5lvl"}},
    {"v70_kaslr_large", k70, {.memory_mib = kLarge}},
    {"v71_kaslr", k71, {}},
    {"v72_kaslr", k72, {}},
    {"v73_kaslr", k73, {}},
    {"v73_nokaslr_no5lvl", k73, {.append = "nokaslr no5lvl"}},
    {"v73_kaslr_large", k73, {.memory_mib = kLarge}},
};
// As the drift.
const Case kDrift[] = {{"newest", kNewest, {}}};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    out.push_back(std::move(line));
  }
  return out;
}

// "ffffffff81000000 T _text" of every symbol of the image, not of its modules.
std::vector<std::string> guest_symbols(const std::string& kallsyms) {
  std::vector<std::string> out;
  for (std::string& line : lines_of(kallsyms))
    if (line.find('\t') == std::string::npos) out.push_back(std::move(line));
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> our_symbols(const SymbolTable& table) {
  std::vector<std::string> out;
  for (const Symbol& symbol : table.all())
    out.push_back(fmt::format("{:016x} {} {}", symbol.address, symbol.type, symbol.name));
  std::sort(out.begin(), out.end());
  return out;
}

// /dev/kmsg's form (Documentation/ABI/testing/dev-kmsg), without flags and dictionary.
std::string kmsg_line(const LogRecord& record) {
  std::string text;
  for (unsigned char c : record.text)
    text += c < ' ' || c >= 127 || c == '\\' ? fmt::format("\\x{:02x}", c) : std::string(1, c);
  return fmt::format("{},{},{};{}", record.facility << 3 | record.level, record.sequence,
                     record.ns / 1000, text);
}

std::vector<std::string> guest_log(const std::string& kmsg) {
  std::vector<std::string> out;
  for (const std::string& line : lines_of(kmsg)) {
    if (line.starts_with(' ')) continue;  // a key of the dictionary
    const std::size_t text = line.find(';');
    std::size_t flags = line.find(',');
    for (int i = 0; i < 2 && flags != line.npos; ++i) flags = line.find(',', flags + 1);
    if (text == line.npos || flags > text) continue;
    out.push_back(line.substr(0, flags) + line.substr(text));
  }
  return out;
}

// The first few of `some` that are not in `all`.
std::vector<std::string> absent(const std::vector<std::string>& some,
                                const std::vector<std::string>& all) {
  const std::set<std::string> set(all.begin(), all.end());
  std::vector<std::string> out;
  for (const std::string& one : some)
    if (!set.contains(one) && out.size() < 100) out.push_back(one);
  return out;
}

// Whether `part` is `whole` with some characters left out.
bool is_thinned(std::string_view part, std::string_view whole) {
  std::size_t at = 0;
  for (const char c : whole)
    if (at < part.size() && part[at] == c) ++at;
  return at == part.size();
}

// Console lines that are in no line of the log. The emulated UART drops characters
// when its reader is slow, so a line may lack some.
std::vector<std::string> unlogged(const std::string& console, const std::vector<std::string>& log) {
  std::vector<std::string> lines;
  for (std::string& line : lines_of(console))
    if (line.starts_with("[ ")) lines.push_back(std::move(line));
  EXPECT_GT(lines.size(), 100u);
  std::vector<std::string> out = absent(lines, log);
  std::erase_if(out, [&](const std::string& line) {
    return std::any_of(log.begin(), log.end(),
                       [&](const std::string& whole) { return is_thinned(line, whole); });
  });
  return out;
}

class IntrospectE2eTest : public testing::TestWithParam<Case> {
 protected:
  // Boots the case's guest and opens its kernel, or skips the test.
  void boot() {
    auto kernel = find_kernel(GetParam().kernel);
    if (!kernel)
      GTEST_SKIP() << "no kernel " << GetParam().kernel << ": " << kernel.error().message;
    auto guest = WitnessGuest::boot(*kernel, GetParam().config);
    ASSERT_TRUE(guest) << guest.error().message;
    guest_ = std::move(*guest);
    auto ram = guest_->ram();
    ASSERT_TRUE(ram) << ram.error().message;
    memory_ = std::move(*ram);
    if (GetParam().config.share_ram) blocks_ = blocks_of_ram();
    auto opened = Kernel::open(memory_, cache_.path());
    ASSERT_TRUE(opened) << opened.error().message;
    kernel_ = std::move(*opened);
    const auto& no_symbols = kernel_->symbols_error();
    ASSERT_FALSE(no_symbols.has_value()) << no_symbols->message;
  }
  const std::string& word(const char* name) { return guest_->word().at(name); }

  void check_symbols(const Kernel& kernel) {
    const auto theirs = guest_symbols(word("kallsyms")), ours = our_symbols(kernel.symbols());
    ASSERT_GT(theirs.size(), 50000u);
    EXPECT_EQ(absent(theirs, ours), std::vector<std::string>{});
    EXPECT_EQ(absent(ours, theirs), std::vector<std::string>{});
    EXPECT_EQ(theirs.size(), ours.size());
  }

  // The tables of kallsyms, searched for as if VMCOREINFO did not name them.
  void check_search() {
    const Image image = Image::read(kernel_->page_tables(), kernel_->isa().image);
    auto found = search_kallsyms(image, kernel_->info().symbols());
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_TRUE(our_symbols(SymbolTable(std::move(*found))) == our_symbols(kernel_->symbols()));
  }

  // What no symbol leads to without CONFIG_KALLSYMS_ALL, found where it is.
  void check_hidden() {
    const SymbolTable few = without_data_symbols(*kernel_);
    for (const char* name :
         {"__start_BTF", "__stop_BTF", "init_task", "__start_orc_unwind_ip", "__stop_orc_unwind_ip",
          "__start_orc_unwind", "modules", "global_trace", "ftrace_events"}) {
      if (std::string_view(name) == "modules" && word("modules").empty()) continue;
      EXPECT_EQ(few.address(name), kernel_->symbols().address(name)) << name;
    }
    check_tasks(*kernel_, few, word("tasks"), word("stacks"));
  }

  void check_log() {
    const auto theirs = guest_log(word("kmsg"));
    ASSERT_GT(theirs.size(), 100u);
    const auto records = read_log(*kernel_, kernel_->info());
    ASSERT_TRUE(records) << records.error().message;
    std::vector<std::string> ours, lines;
    for (const LogRecord& record : *records) {
      ours.push_back(kmsg_line(record));
      for (std::string& line : lines_of(log_lines(record))) lines.push_back(std::move(line));
    }
    // What the guest logged after its word is ours alone.
    ASSERT_GE(ours.size(), theirs.size());
    EXPECT_EQ(
        std::vector<std::string>(ours.begin(), ours.begin() + static_cast<long>(theirs.size())),
        theirs);
    EXPECT_EQ(unlogged(guest_->console(), lines), std::vector<std::string>{});
  }

  // A core file, in the eyes of makedumpfile: its log is ours.
  void check_core() {
    const auto registers = guest_->vm().sample_vcpus(std::chrono::seconds(30));
    ASSERT_TRUE(registers) << registers.error().message;
    EXPECT_EQ(registers->size(), 2u);
    const std::filesystem::path core = cache_.path() / "core", text = cache_.path() / "dmesg";
    const auto written = write_core_file(*memory_, kernel_.get(), *registers, core);
    ASSERT_TRUE(written) << written.error().message;
    const auto ran = run_command({"makedumpfile", "--dump-dmesg", core, text});
    if (!ran) GTEST_SKIP() << "all else was checked, but not the core file: no makedumpfile";
    ASSERT_TRUE(ran->ok()) << ran->out << ran->err;
    std::vector<std::string> theirs = lines_of(read_file(text).value_or("")), ours;
    std::erase_if(theirs, [](const std::string& line) { return !line.starts_with("["); });
    // makedumpfile 1.7.6 tells who printed it: "[    0.018256] [      T0] MTRR map".
    for (std::string& line : theirs) {
      const std::size_t caller = line.find("] [") + 2, after = line.find("] ", caller);
      if (const char kind = line[line.find_first_not_of(' ', caller + 1)];
          kind == 'T' || kind == 'C')
        line.erase(caller, after + 2 - caller);
    }
    const auto records = read_log(*kernel_, kernel_->info());
    ASSERT_TRUE(records);
    for (const LogRecord& record : *records) ours.push_back(lines_of(log_lines(record)).front());
    EXPECT_EQ(theirs, ours);
  }

  std::uint64_t blocks_of_ram() {
    auto ram = guest_->vm().ram(std::chrono::seconds(30));
    struct stat info{};
    EXPECT_TRUE(ram && ::fstat(ram->fd.get(), &info) == 0);
    return static_cast<std::uint64_t>(info.st_blocks);
  }

  Result<TempDir> made_ = TempDir::create("kt-introspect");
  TempDir& cache_ = *made_;
  std::unique_ptr<WitnessGuest> guest_;
  std::shared_ptr<const PhysicalMemory> memory_;
  std::unique_ptr<Kernel> kernel_;
  std::uint64_t blocks_ = 0;  // that its RAM took before it was read
};

TEST_P(IntrospectE2eTest, MemoryAgreesWithTheGuestsOwnWord) {
  boot();
  if (IsSkipped() || HasFatalFailure()) return;
  const bool kaslr = GetParam().config.append.find("nokaslr") == std::string::npos;
  if (!kaslr) {
    EXPECT_EQ(kernel_->info().kernel_offset(), 0u);
  }
  check_symbols(*kernel_);
  check_log();
  check_tasks(*kernel_, kernel_->symbols(), word("tasks"), word("stacks"));
  check_search();
  check_hidden();
  const auto btf = kernel_->btf_bytes();
  ASSERT_TRUE(btf) << btf.error().message;
  EXPECT_TRUE(*btf == word("btf")) << btf->size() << " and " << word("btf").size() << " bytes";

  // The symbols were cached by the first opening; now they come from there.
  // (But for kernels before 5.14, which do not tell their build id.)
  const std::string& build = kernel_->info().build_id();
  EXPECT_EQ(std::filesystem::exists(cache_.path() / (build + ".symbols")), !build.empty());
  const auto again = Kernel::open(memory_, cache_.path());
  ASSERT_TRUE(again) << again.error().message;
  check_symbols(**again);
  check_core();
  if (GetParam().config.share_ram) {
    EXPECT_EQ(blocks_of_ram(), blocks_) << "reading has filled holes";
  }
}

std::string name_of(const testing::TestParamInfo<Case>& one) { return one.param.name; }
INSTANTIATE_TEST_SUITE_P(Kernels, IntrospectE2eTest, testing::ValuesIn(kEveryday), name_of);
INSTANTIATE_TEST_SUITE_P(Drill, IntrospectE2eTest, testing::ValuesIn(kDrill), name_of);
INSTANTIATE_TEST_SUITE_P(Drift, IntrospectE2eTest, testing::ValuesIn(kDrift), name_of);

}  // namespace
}  // namespace ktrial::introspect
