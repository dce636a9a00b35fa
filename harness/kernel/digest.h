// SHA-256 (OpenSSL libcrypto), as lower-case hex.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "harness/base/result.h"

namespace ktrial::kernel {

std::string sha256(std::string_view bytes);
Result<std::string> sha256_file(const std::filesystem::path& path);

}  // namespace ktrial::kernel
