#include "harness/introspect/hidden_symbols.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "harness/introspect/btf.h"

namespace ktrial::introspect {

namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kModuleAlignment = 64;  // struct module is ____cacheline_aligned
constexpr std::size_t kNameLength = 56, kMostModules = 4096, kMostEvents = 1u << 14;
constexpr std::uint64_t kMostModuleMemory = 1u << 28;
constexpr std::uint64_t kMostSteps = 1u << 20;  // along lists of modules that lead nowhere

class Search {
 public:
  Search(const Isa& isa, const PageTables& tables, const Image& image, const SymbolTable& symbols)
      : isa_(isa), tables_(tables), image_(image), symbols_(symbols) {}

  std::vector<Symbol> run() {
    for (const Symbol& one : isa_.find_unwind_data(image_, symbols_))
      add(one.name.c_str(), one.address);
    if (!find_types()) return std::move(found_);
    find_init_task();
    find_modules();
    find_trace();
    return std::move(found_);
  }

 private:
  void add(const char* name, std::uint64_t address) {
    if (!symbols_.address(name)) found_.push_back({address, 'd', name, ""});
  }
  // 0 where there is nothing: no list or structure is there.
  std::uint64_t word(std::uint64_t address) const {
    return read_value<std::uint64_t>(tables_, address).value_or(0);
  }
  // Whether `node` is linked into a list.
  bool is_node(std::uint64_t node) const {
    const std::uint64_t next = word(node), previous = word(node + 8);
    return next != 0 && previous != 0 && word(next + 8) == node && word(previous) == node;
  }

  // The largest BTF section: those of modules are small.
  bool find_types() {
    std::uint64_t largest = 0, begin = 0;
    image_.find("\x9f\xeb\x01\x00"sv, [&](std::uint64_t at) {
      struct Header {
        std::uint32_t magic, length, types, types_size, strings, strings_size;
      };
      const auto header = image_.value<Header>(at);
      if (!header) return false;
      const std::uint64_t size = std::uint64_t{header->length} +
                                 std::max(std::uint64_t{header->types} + header->types_size,
                                          std::uint64_t{header->strings} + header->strings_size);
      if (size > largest && image_.at(at, size)) {
        largest = size;
        begin = at;
      }
      return false;
    });
    const auto bytes = image_.at(begin, largest);
    if (largest == 0 || !bytes) return false;
    auto btf = Btf::parse(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
    if (!btf) return false;
    btf_ = std::move(*btf);
    add("__start_BTF", begin);
    add("__stop_BTF", begin + largest);
    return true;
  }

  void find_init_task() {
    const auto comm = btf_->offset("task_struct", "comm"), pid = btf_->offset("task_struct", "pid"),
               tasks = btf_->offset("task_struct", "tasks");
    if (!comm || !pid || !tasks) return;
    image_.find("swapper/0\0"sv, [&](std::uint64_t at) {
      const std::uint64_t task = at - *comm;
      if (image_.value<std::uint32_t>(task + *pid) != 0u || !is_node(task + *tasks)) return false;
      add("init_task", task);
      return true;
    });
  }

  bool is_module_name(std::uint64_t address) const {
    const auto name = read_string(tables_, address, kNameLength);
    return name && name->size() > 1 && name->size() < kNameLength &&
           std::ranges::all_of(*name, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  }

  // Of a module, not the head of their list: without KASLR their memory is part of what is
  // taken for the image.
  bool is_module(std::uint64_t node, std::uint64_t to_name) const {
    return !image_.at(node, 16) || is_module_name(node + to_name);
  }

  // From any module along the list of all, to its head in the image.
  void find_modules() {
    const auto list = btf_->offset("module", "list"), name = btf_->offset("module", "name");
    if (!list || !name) return;
    const std::uint64_t to_name = *name - *list;
    std::uint64_t scanned = 0, steps = 0;
    for (const Range& range : tables_.mapped(isa_.modules.begin, isa_.modules.end)) {
      for (std::uint64_t at = range.begin; at < range.end; at += kModuleAlignment) {
        if ((scanned += kModuleAlignment) > kMostModuleMemory || steps > kMostSteps) return;
        std::uint64_t head = at + *list;
        if (!is_node(head) || !is_module_name(at + *name)) continue;
        for (std::size_t i = 0; i < kMostModules && is_module(head, to_name); ++i, ++steps)
          head = word(head);
        if (is_module(head, to_name) || !is_node(head)) continue;
        add("modules", head);
        return;
      }
    }
  }

  // trace_array.array_buffer.tr of the global one leads back to it, and so does its first ring
  // to its buffer.
  void find_trace() {
    const auto back = btf_->offset("trace_array", "array_buffer.tr"),
               buffer = btf_->offset("trace_array", "array_buffer.buffer"),
               events = btf_->offset("trace_array", "events"),
               rings = btf_->offset("trace_buffer", "buffers"),
               ring_back = btf_->offset("ring_buffer_per_cpu", "buffer");
    if (!back || !buffer || !events || !rings || !ring_back) return;
    for (const Image::Piece& piece : image_.pieces())
      for (std::size_t i = 0; i + 8 <= piece.bytes.size(); i += 8) {
        std::uint64_t value;
        std::memcpy(&value, piece.bytes.data() + i, sizeof value);
        if (value != piece.begin + i - *back || !is_node(value + *events)) continue;
        const std::uint64_t at = word(value + *buffer);
        if (at == 0 || word(word(word(at + *rings)) + *ring_back) != at) continue;
        add("global_trace", value);
        find_events(value + *events);
        return;
      }
  }

  // The list of all events is that of global_trace's files and, as its head, one node more.
  void find_events(std::uint64_t files) {
    const auto file = btf_->offset("trace_event_file", "list"),
               call = btf_->offset("trace_event_file", "event_call"),
               list = btf_->offset("trace_event_call", "list");
    if (!file || !call || !list) return;
    std::unordered_set<std::uint64_t> calls;
    for (std::uint64_t node = word(files); node != 0 && node != files && calls.size() < kMostEvents;
         node = word(node))
      if (!calls.insert(word(node - *file + *call) + *list).second) break;
    if (calls.empty()) return;
    std::uint64_t node = *calls.begin();
    for (std::size_t i = 0; i <= calls.size() && calls.contains(node); ++i) node = word(node);
    if (!calls.contains(node) && image_.at(node, 16)) add("ftrace_events", node);
  }

  const Isa& isa_;
  const PageTables& tables_;
  const Image& image_;
  const SymbolTable& symbols_;
  std::optional<Btf> btf_;
  std::vector<Symbol> found_;
};

}  // namespace

std::vector<Symbol> find_hidden_symbols(const Isa& isa, const PageTables& tables,
                                        const Image& image, const SymbolTable& symbols) {
  return Search(isa, tables, image, symbols).run();
}

}  // namespace ktrial::introspect
