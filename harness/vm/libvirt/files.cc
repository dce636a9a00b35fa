#include "harness/vm/libvirt/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "harness/base/file.h"
#include "harness/spec/timeouts.h"

namespace ktrial::vm {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMost = 1u << 30;  // bytes of a kernel or an initramfs
constexpr std::size_t kPiece = 256u << 10;

// Names of ours: nothing to escape.
std::string pool_xml(const std::string& name) {
  return fmt::format(
      "<pool type='dir'><name>{}</name><target><path>/var/tmp/{}</path>"
      "<permissions><mode>0711</mode></permissions></target></pool>",
      name, name.substr(0, name.find('@')));
}

std::string volume_xml(const std::string& name, std::size_t bytes) {
  return fmt::format(
      "<volume><name>{}</name><capacity unit='bytes'>{}</capacity>"
      "<target><format type='raw'/><permissions><mode>0644</mode></permissions></target></volume>",
      name, bytes);
}

int send_all(virStreamPtr stream, std::string_view bytes) {
  while (!bytes.empty()) {
    const int n = virStreamSend(stream, bytes.data(), std::min(bytes.size(), kPiece));
    if (n <= 0) {
      virStreamAbort(stream);
      return -1;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return virStreamFinish(stream);
}

}  // namespace

Result<LibvirtFiles> LibvirtFiles::send(LibvirtConnection& connection, const std::string& name,
                                        const std::vector<fs::path>& files) {
  auto pool = KTRIAL_TRY(
      connection.call("making a storage pool", spec::host_wait(spec::HostWait::libvirt_call), [&] {
        return StoragePoolHandle(
            virStoragePoolDefineXML(connection.get(), pool_xml(name).c_str(), 0));
      }));
  LibvirtFiles out(connection, std::move(pool));
  KTRIAL_TRY(out.make_pool());
  for (std::size_t i = 0; i < files.size(); ++i)
    KTRIAL_TRY(out.send_one(files[i], "file" + std::to_string(i)));
  return out;
}

Status LibvirtFiles::make_pool() {
  KTRIAL_TRY(connection_->call("making a storage pool's folder",
                               spec::host_wait(spec::HostWait::libvirt_call),
                               [&] { return virStoragePoolBuild(pool_.get(), 0); }));
  KTRIAL_TRY(connection_->call("starting a storage pool",
                               spec::host_wait(spec::HostWait::libvirt_call),
                               [&] { return virStoragePoolCreate(pool_.get(), 0); }));
  return {};
}

Status LibvirtFiles::send_one(const fs::path& file, const std::string& name) {
  const std::string bytes = KTRIAL_TRY(read_file(file, kMost));
  const StorageVolHandle made = KTRIAL_TRY(connection_->call(
      "making a storage volume", spec::host_wait(spec::HostWait::libvirt_call), [&] {
        return StorageVolHandle(
            virStorageVolCreateXML(pool_.get(), volume_xml(name, bytes.size()).c_str(), 0));
      }));
  const virStorageVolPtr volume = made.get();
  const StreamHandle stream(virStreamNew(connection_->get(), 0));
  KTRIAL_TRY(connection_->call(
      "sending " + file.string(), spec::host_wait(spec::HostWait::send_file), [&] {
        if (!stream || virStorageVolUpload(volume, stream.get(), 0, bytes.size(), 0) < 0) return -1;
        return send_all(stream.get(), bytes);
      }));
  char* path = virStorageVolGetPath(volume);
  if (path == nullptr) return fail(ErrorKind::environment, "libvirt names no path for a volume");
  paths_.emplace_back(path);
  std::free(path);
  return {};
}

LibvirtFiles::~LibvirtFiles() {
  if (!pool_) return;
  (void)connection_->call("removing a storage pool", spec::host_wait(spec::HostWait::libvirt_call),
                          [&] { return remove_pool(pool_.get()); });
}

int remove_pool(virStoragePoolPtr pool) {
  // Who has just started knows no volumes.
  if (virStoragePoolIsActive(pool) == 0) (void)virStoragePoolCreate(pool, 0);
  (void)virStoragePoolRefresh(pool, 0);
  virStorageVolPtr* volumes = nullptr;
  const int count = virStoragePoolListAllVolumes(pool, &volumes, 0);
  bool left = false;
  for (int i = 0; i < count; ++i) {
    const StorageVolHandle one(volumes[i]);
    left |= virStorageVolDelete(one.get(), 0) < 0;
  }
  std::free(volumes);
  if (left) return -1;  // somebody still writes to it
  virStoragePoolDestroy(pool);
  virStoragePoolDelete(pool, 0);
  return virStoragePoolUndefine(pool);
}

}  // namespace ktrial::vm
