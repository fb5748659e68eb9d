// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/endpoint.hpp>

#include <gtest/gtest.h>

#include <string>

namespace hawser {
namespace {

using family = endpoint::family;

TEST(endpoint, text_of_every_form_parses_back_to_an_equal_endpoint) {
  const char* forms[] = {"127.0.0.1:7000", "0.0.0.0:0",       "[::1]:7000",        "[::]:65535", "[2001:db8::7]:1", "[fe80::1%lo]:7000",
                         "host.example:7000", "localhost:0", "a-b_c.example.:1", "unix:/run/x.sock", "unix:relative/x", "unix:@abstract"};
  for (const char* form : forms) {
    const auto parsed = endpoint::parse(form);
    ASSERT_TRUE(parsed) << form;
    EXPECT_EQ(parsed->text(), form);
    EXPECT_EQ(endpoint(parsed->text()), *parsed);
  }
}

TEST(endpoint, kinds_ports_and_addresses_are_what_was_written) {
  EXPECT_EQ(endpoint("10.1.2.3:80").kind(), family::ipv4);
  EXPECT_EQ(endpoint("10.1.2.3:80").port(), 80);
  EXPECT_EQ(endpoint("10.1.2.3:80").address()[3], std::byte{3});
  EXPECT_EQ(endpoint("[::1]:80").kind(), family::ipv6);
  EXPECT_EQ(endpoint("[::1]:80").address()[15], std::byte{1});
  EXPECT_EQ(endpoint("host.example:80").kind(), family::host_name);
  EXPECT_EQ(endpoint("host.example:80").name(), "host.example");
  EXPECT_EQ(endpoint("unix:/a b").kind(), family::unix_path);
  EXPECT_EQ(endpoint("unix:/a b").name(), "/a b");
}

TEST(endpoint, an_empty_host_is_every_address_of_both_families) {
  const endpoint all(":7000");
  EXPECT_EQ(all.kind(), family::ipv6);
  EXPECT_TRUE(all.wildcard());
  EXPECT_EQ(all.text(), "[::]:7000");
  EXPECT_TRUE(endpoint("0.0.0.0:1").wildcard());
  EXPECT_FALSE(endpoint("[::1]:1").wildcard());
  EXPECT_FALSE(endpoint("unix:/x").wildcard());
}

TEST(endpoint, scopes_are_read_as_interface_names_and_as_numbers) {
  const endpoint named("[fe80::1%lo]:7");
  ASSERT_EQ(named.kind(), family::ipv6);
  EXPECT_NE(named.scope(), 0u);
  EXPECT_EQ(endpoint("[fe80::1%" + std::to_string(named.scope()) + "]:7"), named);
  EXPECT_FALSE(endpoint("[fe80::1%no-such-interface]:7").valid());
  EXPECT_FALSE(endpoint("[fe80::1%]:7").valid());
  EXPECT_FALSE(endpoint("[fe80::1%0]:7").valid());
  EXPECT_EQ(endpoint("[fe80::1%4294967]:7").text(), "[fe80::1%4294967]:7");
}

TEST(endpoint, text_that_is_no_endpoint_is_kept_and_is_not_valid) {
  const std::string long_label(64, 'a');
  const std::string wrong[] = {"", ":", "localhost", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
                               "127.0.0.1: 1", "127.0.0.1:000001", "::1:7000", "[::1]", "[::1]7000", "[::1:7000", "[]:1", "[127.0.0.1]:1",
                               "300.1.1.1:80", "1.2.3:80", "host..example:1", ".host:1", "-host:1", "ho st:1", "host/x:1",
                               "unix:", "unix:@", long_label + ".example:1", "unix:/" + std::string(107, 'x'), std::string("unix:/a\0b", 9),
                               std::string(300, 'a') + ":1", "[" + std::string(300, ':') + "]:1"};
  for (const std::string& text : wrong) {
    const auto parsed = endpoint::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error(), errc::address_invalid);
    const endpoint kept(text);
    EXPECT_FALSE(kept.valid());
    EXPECT_EQ(kept.name(), text);
    EXPECT_EQ(kept.text(), text);
  }
}

TEST(endpoint, loopback_is_known_in_each_family) {
  EXPECT_TRUE(endpoint("127.0.0.1:1").loopback());
  EXPECT_TRUE(endpoint("127.9.9.9:1").loopback());
  EXPECT_TRUE(endpoint("[::1]:1").loopback());
  EXPECT_TRUE(endpoint("[::ffff:127.0.0.1]:1").loopback());
  EXPECT_TRUE(endpoint("unix:/x").loopback());
  EXPECT_FALSE(endpoint("128.0.0.1:1").loopback());
  EXPECT_FALSE(endpoint("[::2]:1").loopback());
  EXPECT_FALSE(endpoint("localhost:1").loopback());
}

TEST(endpoint, with_port_changes_the_port_of_what_has_one) {
  EXPECT_EQ(endpoint("127.0.0.1:1").with_port(2), endpoint("127.0.0.1:2"));
  EXPECT_EQ(endpoint("host:1").with_port(2), endpoint("host:2"));
  EXPECT_EQ(endpoint("unix:/x").with_port(2), endpoint("unix:/x"));
}

TEST(endpoint, factories_refuse_names_that_no_text_could_give) {
  EXPECT_TRUE(endpoint::unix_path("/x").valid());
  EXPECT_FALSE(endpoint::unix_path("").valid());
  EXPECT_FALSE(endpoint::unix_path(std::string(108, 'x')).valid());
  EXPECT_TRUE(endpoint::host("a.example", 1).valid());
  EXPECT_FALSE(endpoint::host("a b", 1).valid());
}

}  // namespace
}  // namespace hawser
