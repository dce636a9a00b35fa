// Tests that have two libvirtds of their own as two hosts.
#pragma once

#include "harness/e2e/e2e.h"

namespace ktrial::e2e {

class HostsFixture : public E2eTest {
 protected:
  // `here`: domains on this host, whose processes are seen; far: as on others, through a relay.
  enum class Where { here, far };
  // Empty, or why this host cannot have them.
  std::string begin_hosts(Where where = Where::here) {
    where_ = where;
    std::string uris;
    for (int i = 0; i < 2; ++i) {
      auto daemon = PrivateLibvirtd::start();
      if (!daemon) return daemon.error().message;
      hosts_.push_back(std::make_unique<PrivateLibvirtd>(std::move(*daemon)));
      uris += (i == 0 ? "'" : ", '") + uri(i) + "'";
    }
    EXPECT_TRUE(write_file_atomically(fleet(), "[hosts]\nuris = [" + uris + "]\n"));
    return "";
  }
  void TearDown() override {
    hosts_.clear();
    E2eTest::TearDown();
  }
  std::string fleet() const { return root() / "f.toml"; }
  Where where() const { return where_; }
  PrivateLibvirtd& host(std::size_t which) { return *hosts_[which]; }
  std::string uri(std::size_t which) const {
    return where_ == Where::here ? hosts_[which]->uri() : hosts_[which]->remote_uri();
  }

 private:
  Where where_ = Where::here;
  std::vector<std::unique_ptr<PrivateLibvirtd>> hosts_;
};

}  // namespace ktrial::e2e
