#include "harness/vm/libvirt/xml.h"

#include <gtest/gtest.h>
#include <test_paths.h>

#include <cstdlib>

#include "harness/base/file.h"

namespace ktrial::vm {
namespace {

const DomainIdentity kIdentity{"ktrial-1", "b6d5a5a0-0000-4000-8000-000000000001",
                               "{\"ktrial_owner\":{\"pid\":1}}"};

VmConfig domain_config() {
  return {.name = "ktrial",
          .kernel = "/boot/a&b",
          .initrd = "/tmp/i",
          .command_line = "console=ttyS0 a=\"b c\" d=<e>",
          .channel = VirtioSerialPorts{{"one", "two"}}};
}

// KTRIAL_UPDATE_GOLDENS=1 rewrites testdata/NAME instead.
void expect_golden(const VmConfig& config, const std::string& name) {
  const auto got = domain_xml(config, kIdentity);
  ASSERT_TRUE(got) << got.error().message;
  const auto path = std::string(KTRIAL_SOURCE_DIR) + "/harness/vm/libvirt/testdata/" + name;
  if (const char* update = std::getenv("KTRIAL_UPDATE_GOLDENS"); update && *update == '1') {
    ASSERT_TRUE(write_file_atomically(path, *got));
  }
  EXPECT_EQ(*got, read_file(path).value_or("")) << path;
}

TEST(LibvirtXmlTest, PortsBecomeChannelsOfOneController) {
  expect_golden(domain_config(), "domain-serial.xml");
}

TEST(LibvirtXmlTest, KvmTakesTheHostsCpuAndAVsock) {
  VmConfig config = domain_config();
  config.accel = Accel::kvm;
  config.initrd.clear();
  config.channel = VhostVsockDevice{4711};
  expect_golden(config, "domain-kvm-vsock.xml");
}

TEST(LibvirtXmlTest, VhostUserVsockAloneGoesThroughTheCommandLine) {
  VmConfig config = domain_config();
  config.channel = VhostUserVsockDevice{"/run/a,b'c/vhost.sock"};
  expect_golden(config, "domain-vhost-user.xml");
}

TEST(LibvirtXmlTest, WhatLibvirtLacksIsRefused) {
  VmConfig microvm = domain_config();
  microvm.machine = microvm.arch->machine("microvm");
  VmConfig one_thread = domain_config();
  one_thread.one_thread = true;
  VmConfig control = domain_config();
  control.command_line += "\x01";
  for (const VmConfig& config : {microvm, one_thread, control}) {
    const auto refused = domain_xml(config, kIdentity);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    EXPECT_FALSE(refused.error().hint.empty());
  }
}

}  // namespace
}  // namespace ktrial::vm
