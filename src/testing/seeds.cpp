// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/testing/seeds.hpp>

#include <hawser/base/contract.hpp>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace hawser::inline v0::testing {

namespace {

std::optional<std::uint64_t> number_in_environment(const char* variable) {
  const char* text = std::getenv(variable);
  if (!text || !*text) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  // A mistyped seed must not quietly run something else.
  HAWSER_EXPECTS(error == std::errc() && stop == end, "HAWSER_SEED and HAWSER_SEEDS are decimal numbers");
  return value;
}

}  // namespace

std::vector<std::uint64_t> seeds(std::size_t count) {
  if (const auto one = number_in_environment("HAWSER_SEED")) return {*one};
  if (const auto many = number_in_environment("HAWSER_SEEDS")) count = *many;
  std::vector<std::uint64_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i + 1;
  return all;
}

std::string replay_command(std::uint64_t seed, std::string_view program) {
  std::string line = "./dev sim ";
  if (!program.empty()) line.append(program).append(" ");
  return line + "--seed " + std::to_string(seed);
}

}  // namespace hawser::inline v0::testing
