// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "tidy/floors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace hawser::tidy {

namespace fs = std::filesystem;

TEST(include_floors, every_include_points_down_the_table) {
  const fs::path root = HAWSER_SOURCE_DIR;
  const auto files = files_of(root);
  const auto read = std::count_if(files.begin(), files.end(), [](const std::string& f) { return !floor_of(f).empty(); });
  ASSERT_GT(read, 10) << "the floors were not found below " << root;
  const auto findings = wrong_includes(root, files);
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(include_floors, a_path_tells_its_floor) {
  EXPECT_EQ(floor_of("include/hawser/base/bytes.hpp"), "base");
  EXPECT_EQ(floor_of("src/io/epoll/engine.cpp"), "io");
  EXPECT_EQ(floor_of("include/hawser/peer.hpp"), "peer");
  EXPECT_EQ(floor_of("include/hawser/hawser.hpp"), "umbrella");
  EXPECT_EQ(floor_of("cli/main.cpp"), "");
  EXPECT_EQ(floor_of("src/attic/old.cpp"), "?");
  EXPECT_EQ(floor_of("include/hawser/surprise.hpp"), "?");
}

namespace {

// A tree on disk in which each file holds one include line.
class small_tree {
 public:
  small_tree() : root_(fs::path(testing::TempDir()) / ("hawser-tidy-" + std::to_string(::getpid()))) { fs::remove_all(root_); }
  ~small_tree() { fs::remove_all(root_); }
  small_tree(const small_tree&) = delete;
  small_tree& operator=(const small_tree&) = delete;

  void put(const std::string& file, const std::string& line) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << "// one line above\n"
                                << line << '\n';
  }
  std::vector<finding> check() const { return wrong_includes(root_, files_of(root_)); }

 private:
  fs::path root_;
};

struct wrong_line {
  const char* file;
  const char* line;
};

}  // namespace

class wrong_tree : public testing::TestWithParam<wrong_line> {};

TEST_P(wrong_tree, is_found_with_file_and_line) {
  small_tree tree;
  tree.put("src/proto/frame.hpp", "#include <cstdint>");
  tree.put("src/peer/state.hpp", "#include <vector>");
  tree.put(GetParam().file, GetParam().line);
  const auto findings = tree.check();
  ASSERT_EQ(findings.size(), 1u) << to_text(findings);
  EXPECT_EQ(findings[0].file, GetParam().file);
  EXPECT_EQ(findings[0].line, 2u);
}

INSTANTIATE_TEST_SUITE_P(each, wrong_tree, testing::Values(wrong_line{"include/hawser/base/upward.hpp", "#include <hawser/proto/limits.hpp>"}, wrong_line{"include/hawser/io/sideways.hpp", "#include <hawser/proto/limits.hpp>"}, wrong_line{"src/io/sideways.cpp", "#include \"proto/frame.hpp\""}, wrong_line{"src/io/angles.cpp", "#include <proto/frame.hpp>"}, wrong_line{"src/async/upward.cpp", "#include <hawser/peer.hpp>"}, wrong_line{"src/link/upward.cpp", "#include \"peer/state.hpp\""}, wrong_line{"src/proto/loops.cpp", "#include <hawser/io/loop.hpp>"}, wrong_line{"src/proto/threads.cpp", "#include <thread>"}, wrong_line{"src/proto/system.cpp", "  #  include <sys/socket.h>"}, wrong_line{"src/proto/entropy.cpp", "#include <random>"}, wrong_line{"src/testing/upward.cpp", "#include <hawser/link.hpp>"}, wrong_line{"src/proto/relative.cpp", "#include \"../peer/state.hpp\""}, wrong_line{"src/peer/misspelt.cpp", "#include \"stat.hpp\""}, wrong_line{"include/hawser/io/system.hpp", "#include <netinet/in.h>"}, wrong_line{"include/hawser/io/unix.hpp", "#include <unistd.h>"}, wrong_line{"include/hawser/io/kernel.hpp", "#include <linux/io_uring.h>"}, wrong_line{"include/hawser/peer.hpp", "#include <boost/unordered_map.hpp>"}, wrong_line{"include/hawser/proto/private.hpp", "#include \"proto/frame.hpp\""}, wrong_line{"include/hawser/base/umbrella.hpp", "#include <hawser/hawser.hpp>"}, wrong_line{"cli/inside.cpp", "#include \"proto/frame.hpp\""}, wrong_line{"examples/inside.cpp", "#include \"../src/peer/state.hpp\""}, wrong_line{"relay/inside.cpp", "#include \"peer/state.hpp\""}, wrong_line{"tests/unit/base/upward.cpp", "#include <hawser/proto/limits.hpp>"}, wrong_line{"tests/unit/proto/upward.cpp", "#include \"peer/state.hpp\""}, wrong_line{"tests/conformance/upward.cpp", "#include <hawser/link.hpp>"}));

TEST(include_rules, right_lines_are_left_alone) {
  small_tree tree;
  tree.put("src/proto/frame.hpp", "#include <hawser/base/bytes.hpp>");
  tree.put("src/proto/frame.cpp", "#include \"proto/frame.hpp\"");
  tree.put("src/peer/peer.cpp", "#include \"proto/frame.hpp\"");
  tree.put("src/io/engine.cpp", "#include <sys/epoll.h>");
  tree.put("include/hawser/peer.hpp", "#include <coroutine>");
  tree.put("cli/main.cpp", "#include <CLI/CLI.hpp>");
  tree.put("examples/hello.cpp", "#include <hawser/hawser.hpp>");
  tree.put("tests/unit/proto/frame_test.cpp", "#include \"proto/frame.hpp\"");
  const auto findings = tree.check();
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(include_rules, a_directory_without_a_floor_is_found) {
  small_tree tree;
  tree.put("src/attic/old.cpp", "#include <vector>");
  ASSERT_EQ(tree.check().size(), 1u);
}

}  // namespace hawser::tidy
