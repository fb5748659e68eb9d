// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/error.hpp>
#include <hawser/base/log.hpp>
#include <hawser/base/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

namespace hawser {
namespace {

TEST(error, every_code_has_a_text_of_its_own) {
  std::vector<std::string> texts;
  for (int code = 1; code <= 28; ++code) texts.push_back(make_error_code(static_cast<errc>(code)).message());
  for (int code = 100; code <= static_cast<int>(errc::out_of_memory_budget); ++code) texts.push_back(make_error_code(static_cast<errc>(code)).message());
  for (const std::string& text : texts) {
    EXPECT_EQ(text.find("unknown code"), std::string::npos) << text;
    EXPECT_EQ(std::count(texts.begin(), texts.end(), text), 1) << text;
  }
}

TEST(error, application_codes_travel_unchanged) {
  const auto error = make_application_error(0x10404);
  EXPECT_EQ(error_to_wire(error), 0x10404u);
  EXPECT_EQ(error_from_wire(0x10404), error);
  EXPECT_EQ(error.message(), "application error 66564");
}

TEST(error, a_peer_cannot_forge_a_local_error) {
  for (const std::uint32_t code : {0u, 16u, 29u, 100u, 102u, 0xffffu}) EXPECT_EQ(error_from_wire(code), errc::internal) << code;
  EXPECT_EQ(error_from_wire(5), errc::refused);
  EXPECT_EQ(error_to_wire(error_from_wire(0xffffffff)), 0xffffffffu);
}

TEST(error, local_and_system_errors_travel_as_internal) {
  EXPECT_EQ(error_to_wire(errc::would_block), 2u);
  EXPECT_EQ(error_to_wire(std::make_error_code(std::errc::no_space_on_device)), 2u);
  EXPECT_EQ(error_to_wire(errc::deadline), 14u);
}

TEST(error, a_code_below_the_application_range_is_no_application_error) {
  EXPECT_DEATH((void)make_application_error(5), "0x10000");
}

TEST(error, errno_values_that_programs_decide_on_are_typed) {
  EXPECT_EQ(error_from_errno(ECONNREFUSED), errc::connection_refused);
  EXPECT_EQ(error_from_errno(EMFILE), errc::too_many_descriptors);
  EXPECT_EQ(error_from_errno(ENOSPC).category(), std::system_category());
}

TEST(error, says_what_to_do_where_there_is_something_to_do) {
  EXPECT_EQ(remedy(errc::connection_refused), "start the listener, or check the address");
  EXPECT_TRUE(remedy(std::make_error_code(std::errc::no_space_on_device)).empty());
}

TEST(log, calls_the_hook_only_for_levels_that_are_on) {
  std::vector<std::string> lines;
  set_log_hook([](const log_record& r, void* to) { static_cast<std::vector<std::string>*>(to)->emplace_back(r.text); }, &lines);
  int evaluated = 0;
  set_log_level(log_part::io, log_level::info);
  HAWSER_LOG(log_level::debug, log_part::io, "", 0, "%d", ++evaluated);
  HAWSER_LOG(log_level::info, log_part::io, "", 0, "port %d", ++evaluated);
  set_log_silent(log_part::io);
  HAWSER_LOG(log_level::error, log_part::io, "", 0, "%d", ++evaluated);
  set_log_hook(nullptr, nullptr);
  EXPECT_EQ(lines, std::vector<std::string>{"port 1"});
  EXPECT_EQ(evaluated, 1);
}

TEST(time, adding_to_never_saturates) {
  EXPECT_EQ(after(instant{}, duration::max()), never);
  EXPECT_EQ(after(instant{std::chrono::seconds(1)}, std::chrono::seconds(2)), instant{std::chrono::seconds(3)});
}

}  // namespace
}  // namespace hawser
