#include "harness/bundle/secrets.h"

#include <pwd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "harness/base/re2.h"
#include "harness/base/text.h"

namespace ktrial::bundle {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool stands_alone(std::string_view text, std::size_t at, const Secret& secret, Matter matter) {
  const std::size_t end = at + secret.text.size();
  const char before = at == 0 ? '\0' : text[at - 1];
  const char after = end == text.size() ? '\0' : text[end];
  if (is_word(before) || is_word(after)) return false;
  if (matter == Matter::text || secret.path) return true;
  return before == '/' && (after == '/' || after == '\0');
}

// Where a secret stands, as a word of its own; `use` is told each place.
template <class Use>
std::size_t find_all(std::string_view text, const Secret& secret, Matter matter, Use use) {
  std::size_t found = 0;
  for (std::size_t at = text.find(secret.text); at != text.npos;) {
    const bool here = stands_alone(text, at, secret, matter);
    if (here) {
      ++found;
      use(at);
    }
    at = text.find(secret.text, here ? at + secret.text.size() : at + 1);
  }
  return found;
}

void add_user(std::vector<Secret>& secrets, const char* name) {
  if (name != nullptr) add_secret(secrets, {"user name", name});
}

void add_home(std::vector<Secret>& secrets, const char* path) {
  if (path == nullptr || *path != '/') return;
  const std::string inner(trimmed(path, "/"));  // as an archive names it, too
  if (inner.contains('/')) add_secret(secrets, {"home folder", inner, true});
}

void add_account(std::vector<Secret>& secrets, uid_t user) {
  const passwd* entry = ::getpwuid(user);
  if (entry == nullptr) return;
  add_home(secrets, entry->pw_dir);
  add_user(secrets, entry->pw_name);
  // "Alice Example,room 7,...": the name in full comes first.
  const std::string all(entry->pw_gecos != nullptr ? entry->pw_gecos : "");
  const std::string full = all.substr(0, all.find(','));
  if (full.contains(' ')) add_secret(secrets, {"user's full name", full});
}

}  // namespace

bool names_nobody(std::string_view name) {
  static constexpr std::string_view kRoles[] = {
      "root",      "user",    "users",  "test",    "tester", "admin",   "build",  "builder",
      "builds",    "buildd",  "dev",    "debian",  "ubuntu", "fedora",  "centos", "redhat",
      "suse",      "arch",    "alpine", "vagrant", "runner", "jenkins", "gitlab", "github",
      "ci",        "kernel",  "linux",  "nobody",  "ktrial", "qemu",    "guest",  "host",
      "localhost", "local",   "none",   "vm",      "docker", "podman",  "home",   "console",
      "init",      "unknown", "server", "ec2"};
  return name.size() < 3 || std::ranges::find(kRoles, name) != std::end(kRoles) ||
         name.find_first_not_of("0123456789") == name.npos;
}

void add_secret(std::vector<Secret>& secrets, Secret secret) {
  if (names_nobody(std::string_view(secret.text).substr(secret.text.rfind('/') + 1))) return;
  if (std::ranges::find(secrets, secret.text, &Secret::text) != secrets.end()) return;
  secrets.push_back(std::move(secret));
  std::ranges::stable_sort(secrets, std::greater(), [](const Secret& s) { return s.text.size(); });
}

void add_host_name(std::vector<Secret>& secrets, const std::string& name) {
  add_secret(secrets, {"host name", name});
  add_secret(secrets, {"host name", name.substr(0, name.find('.'))});
}

std::vector<Secret> secrets_of_this_host() {
  std::vector<Secret> out;
  utsname names{};
  if (::uname(&names) == 0) add_host_name(out, names.nodename);
  add_home(out, std::getenv("HOME"));
  for (const char* variable : {"USER", "LOGNAME", "SUDO_USER"})
    add_user(out, std::getenv(variable));
  add_account(out, ::getuid());
  return out;
}

std::vector<Secret> secrets_of_owner(const std::filesystem::path& file) {
  std::vector<Secret> out;
  struct stat status{};
  if (::stat(file.c_str(), &status) == 0) add_account(out, status.st_uid);
  return out;
}

void add_people(std::vector<Secret>& secrets, std::string_view record) {
#define NAME R"(([^/\s"'\\:=,;@]{1,64}))"
  // "/home/NAME/...", and what lies in a home by custom: "/people/ann/.cache/ktrial".
  static const RE2 kHome(R"(/((?:[\w.-]+/){0,4}(?:home|Users)/)" NAME R"()(?:$|[/\s"':=,;]))");
  static const RE2 kCustom(R"(/((?:[\w.-]+/){1,4}?)" NAME R"()/\.(?:cache|local|config)/)");
  static const RE2 kUri(
      R"(\b(?:qemu|ssh)(?:\+[a-z0-9]+)?://(?:([\w.-]{1,64})@)?([A-Za-z0-9][\w.-]{0,253}))");
#undef NAME
  std::string path, name;
  for (const RE2* pattern : {&kHome, &kCustom})
    for (re2::StringPiece rest = as_piece(record);
         RE2::FindAndConsume(&rest, *pattern, &path, &name);) {
      add_home(secrets, ("/" + path).c_str());
      add_user(secrets, name.c_str());
    }
  for (re2::StringPiece rest = as_piece(record); RE2::FindAndConsume(&rest, kUri, &name, &path);) {
    add_user(secrets, name.c_str());
    add_host_name(secrets, path);
  }
}

std::vector<std::size_t> blot_out(std::string& bytes, const std::vector<Secret>& secrets,
                                  Matter matter) {
  std::vector<std::size_t> out;
  for (const Secret& secret : secrets) {
    const std::size_t begin = secret.path ? secret.text.rfind('/') + 1 : 0;
    out.push_back(find_all(bytes, secret, matter, [&](std::size_t at) {
      std::ranges::fill(bytes.begin() + static_cast<long>(at + begin),
                        bytes.begin() + static_cast<long>(at + secret.text.size()), 'x');
    }));
  }
  return out;
}

std::vector<std::size_t> count(std::string_view bytes, const std::vector<Secret>& secrets) {
  std::vector<std::size_t> out;
  for (const Secret& secret : secrets)
    out.push_back(find_all(bytes, secret, Matter::text, [](std::size_t) {}));
  return out;
}

}  // namespace ktrial::bundle
