#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/introspect/fake_structures.h"
#include "harness/introspect/kernel.h"
#include "harness/introspect/modules.h"
#include "harness/introspect/x86_64/stack.h"

namespace ktrial::introspect {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

TEST(BtfTest, MembersAreFoundThroughAnonymousStructs) {
  BtfBuilder builder;
  const auto inner = builder.add_struct("", 8, {{"a", 0}, {"b", 32}});
  const auto named = builder.add_struct("named", 24, {{"", 64, 0, inner}, {"c", 128}});
  builder.add_struct("outer", 32, {{"x", 0}, {"n", 64, 0, named}});
  const auto btf = Btf::parse(builder.bytes());
  ASSERT_TRUE(btf) << btf.error().message;
  EXPECT_EQ(btf->offset("named", "b"), 12u);
  EXPECT_EQ(btf->offset("outer", "n.b"), 20u);
  EXPECT_EQ(btf->offset("outer", "n.c"), 24u);
  EXPECT_EQ(btf->size("outer"), 32u);
  EXPECT_FALSE(btf->has("outer", "b"));
  EXPECT_THAT(btf->offset("outer", "n.z").error().message,
              HasSubstr("struct outer with a member n.z"));
  EXPECT_THAT(btf->size("none").error().message, HasSubstr("struct none"));
}

TEST(BtfTest, BitFieldsKeepTheirPlace) {
  BtfBuilder builder;
  builder.add_struct("s", 8, {{"low", 0, 3}, {"high", 35, 4}});
  const auto btf = Btf::parse(builder.bytes());
  ASSERT_TRUE(btf);
  const auto field = btf->field("s", "high");
  ASSERT_TRUE(field);
  EXPECT_EQ(field->offset, 4u);
  EXPECT_EQ(field->bit, 3u);
  EXPECT_EQ(field->bits, 4u);
  EXPECT_FALSE(btf->offset("s", "high")) << "no whole bytes";
}

TEST(BtfTest, EnumeratorsHaveTheirValue) {
  BtfBuilder builder;
  builder.add_struct("s", 8, {{"a", 0}});
  builder.add_enum("FLAG", 16);
  const auto btf = Btf::parse(builder.bytes());
  ASSERT_TRUE(btf) << btf.error().message;
  EXPECT_EQ(btf->enumerator("FLAG"), 16u);
  EXPECT_THAT(btf->enumerator("OTHER").error().message, HasSubstr("enumerator OTHER"));
}

TEST(BtfTest, ASectionCutAnywhereIsAnErrorOrAsks) {
  BtfBuilder builder;
  builder.add_struct("s", 8, {{"a", 0}, {"b", 32}});
  const std::string whole = builder.bytes();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(Btf::parse(whole.substr(0, size))) << size;
  EXPECT_FALSE(Btf::parse(std::string(64, '\xff')));
}

// Memory by hand, and the view of it.
class StructuresTest : public testing::Test {
 protected:
  KernelView view() {
    if (!space_) {
      fake.kernel.add_kallsyms(fake.symbols, KallsymsForm::absolute_per_cpu);
      memory = fake.kernel.finish();
      auto opened = Kernel::open(memory, {});
      EXPECT_TRUE(opened) << opened.error().message;
      space_ = std::move(*opened);
      table_ = SymbolTable(fake.symbols);
      auto parsed = Btf::parse(fake.btf);
      EXPECT_TRUE(parsed) << parsed.error().message;
      btf_ = std::move(*parsed);
    }
    return {*space_, table_, *btf_};
  }
  std::vector<std::string> names(const std::vector<Frame>& frames) {
    std::vector<std::string> out;
    for (const Frame& frame : frames)
      out.push_back((frame.certain ? "" : "? ") + table_.function(frame.address));
    return out;
  }
  FakeStructures fake;
  std::shared_ptr<FakeMemory> memory;

 private:
  std::unique_ptr<Kernel> space_;
  SymbolTable table_;
  std::optional<Btf> btf_;
};

TEST_F(StructuresTest, TasksAreThoseOfAllProcessesAndThreads) {
  const auto list = read_tasks(view());
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->trouble, "");
  ASSERT_EQ(list->tasks.size(), 3u);
  EXPECT_EQ(list->tasks[0].label(), "init/1");
  EXPECT_EQ(list->tasks[0].state, 'S');
  EXPECT_EQ(list->tasks[1].label(), "worker/2");
  EXPECT_EQ(list->tasks[1].state, 'D');
  EXPECT_EQ(list->tasks[1].tgid, 1);
  EXPECT_EQ(list->tasks[2].state, 'D') << "killable";
  EXPECT_TRUE(list->tasks[2].vfork_child);
  const auto current = current_task(view(), 1);
  ASSERT_TRUE(current) << current.error().message;
  EXPECT_EQ(current->pid, 2);
}

TEST_F(StructuresTest, AListWithALoopEndsAndSaysSo) {
  fake.kernel.put_word(fake.child, fake.child);  // its `tasks` points to itself
  const auto list = read_tasks(view());
  ASSERT_TRUE(list);
  EXPECT_THAT(list->trouble, HasSubstr("loop"));
  EXPECT_EQ(list->tasks.size(), 3u) << "what was read remains";
}

TEST_F(StructuresTest, AListThatLeavesMemoryEndsAndSaysSo) {
  fake.kernel.put_word(fake.init_task, 0xdead000000000100);
  const auto list = read_tasks(view());
  ASSERT_TRUE(list);
  EXPECT_NE(list->trouble, "");
  EXPECT_EQ(list->tasks.size(), 2u);
}

TEST_F(StructuresTest, TheEntriesTellWhichNumberTheStackPointerHas) {
  fake = FakeStructures(3);
  const std::uint64_t sp = fake.spin_stack();
  const auto unwinder = x86_64::make_unwinder(view(), {});
  EXPECT_EQ(unwinder->trouble(), "");
  const auto frames = unwinder->running({fake.function("spin", 0x10), sp, 0});
  EXPECT_THAT(names(frames), ElementsAre("spin", "caller", "start"));
}

TEST_F(StructuresTest, EntriesThatNameNoStackPointerAreAnError) {
  fake = FakeStructures(6);
  EXPECT_THAT(x86_64::make_unwinder(view(), {})->trouble(), HasSubstr("no stack pointer"));
}

TEST_F(StructuresTest, UnwindsCallsToTheEnd) {
  const std::uint64_t sp = fake.spin_stack();
  const auto unwinder = x86_64::make_unwinder(view(), {});
  EXPECT_EQ(unwinder->trouble(), "");
  const auto frames = unwinder->running({fake.function("spin", 0x10), sp, 0});
  EXPECT_THAT(names(frames), ElementsAre("spin", "caller", "start"));
}

TEST_F(StructuresTest, UnwindsThroughAnInterrupt) {
  const std::uint64_t sp = fake.interrupted_stack();
  const auto unwinder = x86_64::make_unwinder(view(), {});
  EXPECT_EQ(unwinder->trouble(), "");
  const auto frames = unwinder->running({fake.function("handler", 0x10), sp, 0});
  EXPECT_THAT(names(frames), ElementsAre("handler", "spin", "caller", "start"));
}

TEST_F(StructuresTest, WithoutTablesTheRestIsAGuess) {
  const std::uint64_t sp = fake.spin_stack();
  std::erase_if(fake.symbols, [](const Symbol& s) { return s.name == "__start_orc_unwind"; });
  const auto unwinder = x86_64::make_unwinder(view(), {});
  EXPECT_THAT(unwinder->trouble(), HasSubstr("__start_orc_unwind"));
  const auto frames = unwinder->running({fake.function("spin", 0x10), sp, 0});
  EXPECT_THAT(names(frames), ElementsAre("spin", "? caller", "? start"));
}

TEST_F(StructuresTest, ASleeperIsUnwoundFromItsSwitchFrame) {
  const std::uint64_t stack = fake.spin_stack();
  // The frame that the switch left lies below what it returns to.
  const std::uint64_t sp = stack - 56;
  fake.kernel.put_word(sp + 48, fake.function("spin", 0x40));
  fake.kernel.put_word(fake.worker + 64, sp);
  const auto unwinder = x86_64::make_unwinder(view(), {});
  EXPECT_EQ(unwinder->trouble(), "");
  const auto task = read_task(view(), fake.worker);
  ASSERT_TRUE(task);
  EXPECT_THAT(names(unwinder->sleeping(*task)), ElementsAre("spin", "caller", "start"));
}

TEST_F(StructuresTest, AKernelWithoutOrcOrModulesSaysSo) {
  std::erase_if(fake.symbols, [](const Symbol& s) { return s.name == "__start_orc_unwind"; });
  EXPECT_THAT(x86_64::make_unwinder(view(), {})->trouble(), HasSubstr("__start_orc_unwind"));
  EXPECT_THAT(read_modules(view()).error().message, HasSubstr("modules"));
  EXPECT_TRUE(read_module_symbols(view()).empty());
}

}  // namespace
}  // namespace ktrial::introspect
