// The parts of the libvirt backend that need no daemon; real domains are in harness/e2e.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <libvirt/libvirt.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "harness/base/file.h"
#include "harness/vm/libvirt/connection.h"
#include "harness/vm/libvirt/events.h"
#include "harness/vm/libvirt/host_facts.h"
#include "harness/vm/libvirt/libvirt_vm.h"
#include "harness/vm/libvirt/orphans.h"
#include "results/store/owner.h"

namespace ktrial::vm {
namespace {
using namespace std::chrono_literals;

// libvirt's own entry points lead to our event loop.
class LibvirtEventsTest : public testing::Test {
 protected:
  void SetUp() override {
    use_libvirt_events(io);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader.reset(ends[0]);
    writer.reset(ends[1]);
  }
  void until(const bool& done) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!done && std::chrono::steady_clock::now() < deadline) {
      if (io.stopped()) io.restart();
      io.run_one_until(deadline);
    }
    EXPECT_TRUE(done);
  }
  struct Seen {
    int id = -1, events = 0, times = 0;
    bool happened = false, freed = false;
    bool remove_itself = false;
  };
  static void on_handle(int id, int, int events, void* opaque) {
    auto* seen = static_cast<Seen*>(opaque);
    seen->events |= events;
    seen->happened = true;
    ++seen->times;
    if (seen->remove_itself) virEventRemoveHandle(id);
  }
  static void on_timeout(int id, void* opaque) {
    auto* seen = static_cast<Seen*>(opaque);
    seen->happened = ++seen->times == 3;
    if (seen->happened) virEventRemoveTimeout(id);
  }
  static void on_free(void* opaque) { static_cast<Seen*>(opaque)->freed = true; }
  boost::asio::io_context io;
  Fd reader, writer;
};

TEST_F(LibvirtEventsTest, AHandleIsToldWhatHappenedAndFreedAfterItsRemoval) {
  Seen seen{.remove_itself = true};
  const int id =
      virEventAddHandle(reader.get(), VIR_EVENT_HANDLE_READABLE, on_handle, &seen, on_free);
  ASSERT_GE(id, 0);
  EXPECT_EQ(newest_libvirt_descriptor(), reader.get());
  io.poll();
  EXPECT_FALSE(seen.happened);
  ASSERT_TRUE(write_all(writer.get(), "x"));
  until(seen.happened);
  EXPECT_EQ(seen.events, VIR_EVENT_HANDLE_READABLE);
  until(seen.freed);
  EXPECT_EQ(seen.times, 1);
}

TEST_F(LibvirtEventsTest, WhatIsNotWantedIsNotTold) {
  Seen seen;
  const int id =
      virEventAddHandle(reader.get(), VIR_EVENT_HANDLE_READABLE, on_handle, &seen, on_free);
  virEventUpdateHandle(id, 0);
  ASSERT_TRUE(write_all(writer.get(), "x"));
  io.poll();
  EXPECT_FALSE(seen.happened);
  virEventUpdateHandle(id, VIR_EVENT_HANDLE_READABLE);  // it was readable before
  until(seen.happened);
  EXPECT_EQ(virEventRemoveHandle(id), 0);
  EXPECT_EQ(virEventRemoveHandle(id), -1);
  EXPECT_FALSE(seen.freed);  // not within the removal
  until(seen.freed);
}

TEST_F(LibvirtEventsTest, AHangupIsTold) {
  Seen seen{.remove_itself = true};
  virEventAddHandle(reader.get(), VIR_EVENT_HANDLE_READABLE, on_handle, &seen, on_free);
  writer.reset();
  until(seen.happened);
  EXPECT_NE(seen.events & VIR_EVENT_HANDLE_HANGUP, 0);
  until(seen.freed);
}

TEST_F(LibvirtEventsTest, ATimeoutRepeatsUntilRemoved) {
  Seen seen, off;
  virEventAddTimeout(1, on_timeout, &seen, on_free);
  const int id = virEventAddTimeout(-1, on_timeout, &off, on_free);
  until(seen.happened);
  until(seen.freed);
  EXPECT_EQ(off.times, 0);
  virEventRemoveTimeout(id);
  until(off.freed);
}

TEST(LibvirtConnectionTest, ASilentDaemonCostsThePatienceAndNoMore) {
  auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const std::string path = dir->path() / "socket";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  boost::asio::io_context io;
  const auto opened = LibvirtConnection::open(io, "qemu+unix:///session?socket=" + path, 50ms);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("did not answer in time"), std::string::npos)
      << opened.error().message;
}

// An ssh that waits for ever, for a host or for an answer, and has a child as its ProxyCommand is.
// libvirt reads their stderr to its end before it gives up.
TEST(LibvirtConnectionTest, ASilentSshCostsThePatienceAndIsEnded) {
  auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const auto ssh = dir->path() / "ssh";
  ASSERT_TRUE(write_file_atomically(ssh, "#!/bin/sh\nsleep 1000 &\nwait\n"));
  ASSERT_EQ(::chmod(ssh.c_str(), 0700), 0);
  boost::asio::io_context io;
  const auto opened =
      LibvirtConnection::open(io, "qemu+ssh://lab1/session?command=" + ssh.string(), 1s);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("did not answer in time"), std::string::npos)
      << opened.error().message;
  EXPECT_NE(opened.error().hint.find("ssh -o BatchMode=yes lab1 true"), std::string::npos)
      << opened.error().hint;
}

TEST(LibvirtConnectionTest, WhoIsNotThereIsNamedWithAHint) {
  boost::asio::io_context io;
  const auto found = find_libvirt(io, "qemu:///session?socket=/nonexistent/socket");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::environment);
  EXPECT_NE(found.error().message.find("/nonexistent/socket"), std::string::npos);
  EXPECT_FALSE(found.error().hint.empty());
}

// libvirt's client has a mock driver in it.
TEST(LibvirtConnectionTest, OnlyQemuWillDo) {
  boost::asio::io_context io;
  const auto found = find_libvirt(io, "test:///default");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::usage) << found.error().message;
}

TEST(OrphanTest, ADomainIsOneOnlyIfItsOwnerIsKnownToHaveEnded) {
  EXPECT_FALSE(is_orphaned(domain_owner())) << "we live";
  auto text_of_us = results::Json::parse(domain_owner());
  auto& owner = text_of_us["ktrial_owner"];
  owner["start_ticks"] = owner["start_ticks"].get<std::uint64_t>() + 1;
  EXPECT_TRUE(is_orphaned(text_of_us.dump())) << "another process has our pid";
  owner["host"] = "elsewhere";
  EXPECT_FALSE(is_orphaned(text_of_us.dump())) << "nobody can know";
  for (const char* text : {"", "a machine of mine", "{}", "{\"ktrial_owner\":7}", "[1]"})
    EXPECT_FALSE(is_orphaned(text)) << text;
}

TEST(OrphanTest, APoolIsOneOnlyIfItsOwnerIsKnownToHaveEnded) {
  const results::Owner us = results::this_process();
  EXPECT_FALSE(is_orphaned_pool(pool_name("ktrial-1", us))) << "we live";
  results::Owner gone = us;
  ++gone.start_ticks;
  EXPECT_TRUE(is_orphaned_pool(pool_name("ktrial-1", gone)));
  EXPECT_FALSE(is_orphaned_pool(pool_name("somebody's", gone)));
  gone.host = "elsewhere";
  EXPECT_FALSE(is_orphaned_pool(pool_name("ktrial-1", gone))) << "nobody can know";
  gone.host = "</name>@";
  EXPECT_EQ(pool_name("ktrial-1", gone), "ktrial-1");
  for (const char* name : {"", "default", "ktrial-1", "ktrial-1@a@b@c@d"})
    EXPECT_FALSE(is_orphaned_pool(name)) << name;
}

// libvirt's mock driver has storage, too.
TEST(OrphanTest, PoolsOfProcessesThatEndedAreRemovedWithWhatIsInThem) {
  boost::asio::io_context io;
  auto connection = LibvirtConnection::open(io, "test:///default", 60s);
  ASSERT_TRUE(connection);
  results::Owner gone = results::this_process();
  ++gone.start_ticks;
  const std::string ours = pool_name("ktrial-1", results::this_process());
  const std::string started = pool_name("ktrial-2", gone), defined = pool_name("ktrial-3", gone);
  for (const std::string& name : {ours, started, defined}) {
    const std::string xml = "<pool type='dir'><name>" + name + "</name><target><path>/" + name +
                            "</path></target></pool>";
    const StoragePoolHandle pool(virStoragePoolDefineXML(connection->get(), xml.c_str(), 0));
    ASSERT_TRUE(pool);
    if (name == defined) continue;
    ASSERT_EQ(virStoragePoolCreate(pool.get(), 0), 0);
    ASSERT_TRUE(StorageVolHandle(virStorageVolCreateXML(
        pool.get(), "<volume><name>file0</name><capacity>4096</capacity></volume>", 0)));
  }
  EXPECT_EQ(end_orphans(*connection, 60s), 0) << "no domain of ours";
  const auto there = [&](const std::string& name) {
    return StoragePoolHandle(virStoragePoolLookupByName(connection->get(), name.c_str())) !=
           nullptr;
  };
  EXPECT_TRUE(there(ours));
  EXPECT_FALSE(there(started));
  EXPECT_FALSE(there(defined));
  EXPECT_TRUE(there("default-pool")) << "the mock's own";
}

TEST(HostLoadTest, OthersAreWhoIsNoMachineOfOurs) {
  LibvirtHost host{.cpus = 4};
  add_load({{.busy_s = 100, .idle_s = 1000}, 10}, {{.busy_s = 103, .idle_s = 1001}, 11}, host);
  ASSERT_TRUE(host.busy_cpus && host.others_cpus);
  EXPECT_NEAR(*host.busy_cpus, 3, .01);
  EXPECT_NEAR(*host.others_cpus, 2, .01);
  // One of ours ended meanwhile: its time is no longer told.
  add_load({{.busy_s = 100, .idle_s = 1000}, 10}, {{.busy_s = 103, .idle_s = 1001}, 2}, host);
  EXPECT_NEAR(*host.others_cpus, 3, .01);
  LibvirtHost mute{.cpus = 4};
  add_load({}, {}, mute);
  EXPECT_FALSE(mute.busy_cpus);
}

}  // namespace
}  // namespace ktrial::vm
