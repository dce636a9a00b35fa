// SHA-256 (OpenSSL libcrypto), as lower-case hex.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "harness/base/result.h"

struct evp_md_ctx_st;  // EVP_MD_CTX of OpenSSL

namespace ktrial::kernel {

// Of what comes in pieces.
class Sha256 {
 public:
  Sha256();
  void add(std::string_view bytes);
  std::string hex();  // once, at the end

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

std::string sha256(std::string_view bytes);
Result<std::string> sha256_file(const std::filesystem::path& path);

}  // namespace ktrial::kernel
