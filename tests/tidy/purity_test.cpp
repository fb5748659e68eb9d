// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "tidy/purity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace hawser::tidy {

TEST(proto_archive, refers_to_no_socket_clock_thread_entropy_or_file) {
  ASSERT_GT(defined_symbols(HAWSER_PROTO_ARCHIVE), 20u) << HAWSER_PROTO_ARCHIVE;
  const auto findings = impurities(HAWSER_PROTO_ARCHIVE);
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(proto_archive, the_check_notices_each_kind_of_impurity) {
  const std::string text = to_text(impurities(HAWSER_IMPURE_ARCHIVE));
  for (const char* symbol : {"refers to socket,", "refers to getrandom,", "refers to pthread_mutex_lock,", "steady_clock3nowEv,",
           "refers to puts,", "refers to getenv,", "refers to __cxa_throw,", "refers to __cxa_guard_acquire,",
           "writable global _ZN6impure7counterE"}) {
    EXPECT_NE(text.find(symbol), std::string::npos) << symbol << " is not among" << text;
  }
  EXPECT_EQ(text.find("constant_table"), std::string::npos) << "a constant is not a global state" << text;
}

TEST(proto_archive, ordinary_symbols_are_allowed) {
  for (const char* symbol : {"memcpy", "malloc", "_Znwm", "_ZdlPvm", "abort", "snprintf", "__stack_chk_fail", "_ZNSt3_V215system_categoryEv"}) {
    EXPECT_TRUE(forbidden_in_core(symbol).empty()) << symbol;
  }
  EXPECT_FALSE(forbidden_in_core("clock_gettime@GLIBC_2.17").empty());
  EXPECT_FALSE(forbidden_in_core("pthread_create").empty());
}

}  // namespace hawser::tidy
