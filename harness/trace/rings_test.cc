#include "harness/trace/rings.h"

#include <gmock/gmock.h>

#include "harness/trace/fake_trace.h"

namespace ktrial::trace {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

PageBuilder page(std::uint64_t ns, const std::vector<int>& tasks) {
  PageBuilder out(ns);
  for (int pid : tasks) out.data(1, FakeTrace::switch_event(pid, 'S', 0));
  return out;
}

std::vector<int> pids(const CpuRing& ring) {
  std::vector<int> out;
  for (const Event& event : ring.events) out.push_back(event.pid);
  return out;
}

Rings read(const FakeTrace& fake) {
  auto rings = read_rings(fake.view());
  EXPECT_TRUE(rings) << rings.error().message;
  return rings ? std::move(*rings) : Rings{};
}

TEST(RingsTest, EventsComeOldestFirstFromTheMarkedPageToTheTail) {
  FakeTrace fake;
  fake.add_ring({.cpu = 0,
                 .pages = {page(300, {3, 4}), page(400, {5}), page(100, {1}), page(200, {2})},
                 .oldest = 2,
                 .tail = 1,
                 .entries = 9,
                 .overrun = 4});
  const Rings rings = read(fake);
  ASSERT_EQ(rings.cpus.size(), 1u) << "the other CPU has no ring";
  const CpuRing& ring = rings.cpus[0];
  EXPECT_THAT(pids(ring), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(ring.events[0].ns, 101u);
  EXPECT_EQ(ring.events[0].type, FakeTrace::kSwitch);
  EXPECT_EQ(ring.pages.size(), 4u);
  EXPECT_TRUE(ring.complete()) << ring.trouble;
  EXPECT_FALSE(rings.partial());
  EXPECT_TRUE(rings.on);
}

TEST(RingsTest, PagesBehindTheTailAreNotRead) {
  FakeTrace fake;
  fake.add_ring(
      {.pages = {page(100, {1}), page(200, {2}), page(50, {9})}, .tail = 1, .entries = 2});
  EXPECT_THAT(pids(read(fake).cpus.at(0)), ElementsAre(1, 2));
}

TEST(RingsTest, TheReadersPageComesFirstAndWhatItGaveAwayIsMarked) {
  FakeTrace fake;
  const PageBuilder reader = page(50, {7, 8});
  fake.add_ring({.pages = {page(100, {1})},
                 .reader = reader,
                 .consumed = reader.size() / 2,
                 .entries = 3,
                 .read = 1});
  const CpuRing ring = std::move(read(fake).cpus.at(0));
  EXPECT_THAT(pids(ring), ElementsAre(7, 8, 1));
  EXPECT_TRUE(ring.events[0].consumed);
  EXPECT_FALSE(ring.events[1].consumed);
  EXPECT_FALSE(ring.events[2].consumed);
  EXPECT_TRUE(ring.complete());
}

TEST(RingsTest, ARingThatIsWrittenOnItsReadersPageEndsThere) {
  FakeTrace fake;
  fake.add_ring(
      {.pages = {page(100, {1})}, .reader = page(500, {6}), .reader_is_tail = true, .entries = 1});
  EXPECT_THAT(pids(read(fake).cpus.at(0)), ElementsAre(6));
}

TEST(RingsTest, UncommittedEventsAreMarkedAndNotCounted) {
  FakeTrace fake;
  const PageBuilder both = page(100, {1, 2});
  fake.add_ring({.pages = {both}, .commit = both.size() / 2, .entries = 1});
  const CpuRing ring = std::move(read(fake).cpus.at(0));
  ASSERT_EQ(ring.events.size(), 2u);
  EXPECT_TRUE(ring.events[1].uncommitted);
  EXPECT_EQ(ring.found(), 1u);
  EXPECT_TRUE(ring.complete());
}

TEST(RingsTest, ACountThatDiffersFromTheKernelsIsPartial) {
  FakeTrace fake;
  fake.add_ring({.pages = {page(100, {1})}, .entries = 5});
  EXPECT_TRUE(read(fake).partial());
}

TEST(RingsTest, WithoutACountInTheBufferTheKernelsIsTaken) {
  FakeTrace fake(false);
  fake.add_ring({.cpu = 1, .pages = {page(100, {1})}, .entries = 1});
  const Rings rings = read(fake);
  ASSERT_EQ(rings.cpus.size(), 1u);
  EXPECT_EQ(rings.cpus[0].cpu, 1u);
}

TEST(RingsTest, WithoutAnyCountRingsAreTakenThatNameTheirBufferAndTheirCpu) {
  FakeTrace fake(false);
  std::vector<introspect::Symbol> few;
  for (const introspect::Symbol& symbol : fake.symbols.all())
    if (symbol.name != "nr_cpu_ids") few.push_back(symbol);
  fake.symbols = introspect::SymbolTable(few);
  EXPECT_THAT(read_rings(fake.view()).error().message, HasSubstr("has no rings"));
  fake.add_ring({.cpu = 1, .pages = {page(100, {1})}, .entries = 1});
  const Rings rings = read(fake);
  ASSERT_EQ(rings.cpus.size(), 1u) << "what lies behind the array is another's";
  EXPECT_EQ(rings.cpus[0].cpu, 1u);
}

TEST(RingsTest, ARingThatNeverComesToItsTailEndsAndSaysSo) {
  FakeTrace fake;
  const std::uint64_t at = fake.add_ring(
      {.pages = {page(100, {1}), page(200, {2}), page(300, {3})}, .tail = 2, .entries = 3});
  fake.put64(at + FakeTrace::kTailPage, 0xdead000000000100);
  const CpuRing ring = std::move(read(fake).cpus.at(0));
  EXPECT_THAT(pids(ring), ElementsAre(1, 2, 3));
  EXPECT_THAT(ring.trouble, HasSubstr("never come to the one being written"));
}

TEST(RingsTest, ARingWithoutAnOldestPageSaysSo) {
  FakeTrace fake;
  fake.add_ring({.pages = {page(100, {1}), page(200, {2})}, .tail = 1});
  fake.put64(fake.nodes[1], fake.nodes[0]);  // the flag is gone
  EXPECT_THAT(read(fake).cpus.at(0).trouble, HasSubstr("marked as its oldest"));
}

TEST(RingsTest, WhatLiesOutsideOfMemoryCostsOnlyItsCpu) {
  FakeTrace fake;
  fake.add_ring({.cpu = 0, .pages = {page(100, {1}), page(200, {2})}, .tail = 1, .entries = 2});
  fake.put64(fake.nodes[0], 0xdead000000000100);
  fake.add_ring({.cpu = 1, .pages = {page(100, {3})}, .entries = 1});
  const Rings rings = read(fake);
  ASSERT_EQ(rings.cpus.size(), 2u);
  EXPECT_THAT(pids(rings.cpus[0]), ElementsAre(1)) << "what was read remains";
  EXPECT_THAT(rings.cpus[0].trouble, HasSubstr("not mapped"));
  EXPECT_TRUE(rings.cpus[1].complete());
  EXPECT_TRUE(rings.partial());
}

TEST(RingsTest, AKernelWithoutTracingIsAnError) {
  FakeTrace fake;
  fake.symbols = introspect::SymbolTable({{FakeTrace::kBase, 'T', "other", ""}});
  EXPECT_THAT(read_rings(fake.view()).error().message, HasSubstr("no symbol global_trace"));
}

TEST(RingsTest, AnAbsurdNumberOfCpusIsAnError) {
  FakeTrace fake;
  fake.put32(fake.buffer + 4, 0x7fffffff);
  EXPECT_THAT(read_rings(fake.view()).error().message, HasSubstr("2147483647 CPUs"));
}

}  // namespace
}  // namespace ktrial::trace
