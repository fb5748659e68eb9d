// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/bytes.hpp>

#include "proto/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

// A target with a bug in it, on purpose: a RESET whose code is 0x0bad ends the program. If the fuzzer does not find it within
// seconds, then it would not find real ones either.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hawser::proto;
  const hawser::byte_view bytes(reinterpret_cast<const std::byte*>(data), size);
  frame_header header{};
  if (decode_header(bytes, header) != decode_status::header || header.type != frame_type::reset) return 0;
  if (size < std::size_t{header.size} + 4 || header.length < 4) return 0;
  if (hawser::load_le<std::uint32_t>(bytes.data() + header.size) == 0x0bad) std::abort();
  return 0;
}
