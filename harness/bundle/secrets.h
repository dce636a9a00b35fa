// What must not leave the host with a bundle: who runs it, where, and on which host. Pure, but for
// secrets_of_this_host() and secrets_of_owner().
//
// A private word is blotted out with x's of its own length: lines, offsets and JSON stay what they
// were, and two files that named one path name one path still. Of a home folder's path only the
// last part is private.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::bundle {

struct Secret {
  std::string what;  // "host name"
  std::string text;
  bool path = false;  // ends in what is private, after what is not: "home/alice"
  bool operator==(const Secret&) const = default;
};

// Names of roles ("root", "user", "localhost") and what is too short to be told from a word: they
// name nobody, and blotting them out would spoil the logs.
bool names_nobody(std::string_view name);

// The user, the home folder and the host that run this process. Each word once, the longest first.
std::vector<Secret> secrets_of_this_host();
// The user whose file this is, if that is another one: who bundles a run need not have run it.
std::vector<Secret> secrets_of_owner(const std::filesystem::path& file);
// Whom a record names by what it says of its places: by the home folders in its paths, and by the
// user and host of a URI ("qemu+ssh://alice@lab7/system").
void add_people(std::vector<Secret>& secrets, std::string_view record);
// A name in full ("build7.example.org") and its first part, if they name anybody.
void add_host_name(std::vector<Secret>& secrets, const std::string& name);
void add_secret(std::vector<Secret>& secrets, Secret secret);

// Logs and records; or an archive of files, where a name is private as a part of a path alone: it
// may be any word of a program.
enum class Matter { text, files };

// How often each of `secrets` was blotted out of `bytes`; in their order.
std::vector<std::size_t> blot_out(std::string& bytes, const std::vector<Secret>& secrets,
                                  Matter matter = Matter::text);
// As often does each stand there, as text.
std::vector<std::size_t> count(std::string_view bytes, const std::vector<Secret>& secrets);

}  // namespace ktrial::bundle
