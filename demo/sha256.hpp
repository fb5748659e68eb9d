// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <string>

namespace demo {

// SHA-256 of a file's content, in hexadecimal; empty when it cannot be read.
std::string sha256_of_file(const std::string& path);

}  // namespace demo
