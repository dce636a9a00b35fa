// The file server of a guest's root: virtiofsd, which we start and own, one a VM. It sees a
// read-only tree without anything that could harm the host (confine.cc), so that neither a hostile
// guest nor a fault of the server's can write to the host.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "harness/base/child.h"
#include "harness/base/result.h"

namespace ktrial::root {

// Two servers of one name: that of rust-vmm, and that of QEMU up to 7.2, which only root can use.
enum class ServerKind { rust, c };
struct FileServerProgram {
  std::filesystem::path path;
  ServerKind kind = ServerKind::rust;
  std::string version;  // "virtiofsd 1.13.2"
};
// $KTRIAL_VIRTIOFSD, else where distributions and bootstrap.sh put it. An error
// (ErrorKind::environment) says how to get one.
Result<FileServerProgram> find_file_server(bool is_root);
// What its --help tells; nothing: it is none that can be used.
std::optional<ServerKind> kind_of(std::string_view help);

struct Share {
  FileServerProgram program;
  std::filesystem::path confine;            // ktrial-confine
  std::filesystem::path tree;               // what is served: / or a folder
  bool host = false;                        // it is the host's own root: more is covered
  bool is_root = false;                     // we are
  std::vector<std::filesystem::path> show;  // also below covered places
  std::string modules;                      // "DIR:RELEASE", see confine.cc
};
// Without the program: what `ktrial-confine` is told, then the server.
std::vector<std::string> arguments(const Share& share, const std::filesystem::path& place, int fd);
// Whether all that can be done here: the namespaces, the covers, the server itself.
Status try_out(const Share& share);

class FileServer {
 public:
  static Result<FileServer> start(boost::asio::io_context& io, const Share& share,
                                  const std::filesystem::path& scratch);
  const std::filesystem::path& socket() const { return socket_; }
  // Once, if it ends while QEMU still uses it; never after our destruction.
  void on_lost(std::function<void(std::string reason)> handler);

 private:
  FileServer(std::filesystem::path socket, Child child)
      : socket_(std::move(socket)), child_(std::move(child)) {}
  std::filesystem::path socket_;
  Child child_;
};

}  // namespace ktrial::root
