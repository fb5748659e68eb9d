// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "tidy/floors.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace hawser::tidy {

namespace fs = std::filesystem;
using names = std::set<std::string, std::less<>>;

// What each floor may include, besides the standard library. A new floor gets a line here, or its first file is a finding.
static const std::map<std::string, names, std::less<>> floors = {
    {"base", {"base"}},
    {"proto", {"base", "proto"}},
    {"io", {"base", "io"}},
    {"testing", {"base", "io", "testing"}},
    {"async", {"base", "io", "async"}},
    {"link", {"base", "io", "async", "link"}},
    {"peer", {"base", "proto", "io", "async", "link", "peer"}},
    {"umbrella", {"base", "proto", "io", "async", "link", "peer"}},
};

// Public headers directly in include/hawser, by the floor that implements them.
static const std::map<std::string, std::string, std::less<>> single_headers = {
    {"hawser.hpp", "umbrella"},
    {"link.hpp", "link"},
    {"peer.hpp", "peer"},
    {"request.hpp", "peer"},
    {"broadcast.hpp", "peer"},
    {"node.hpp", "peer"},
    {"room.hpp", "peer"},
};

// Names between spaces.
static constexpr std::string_view standard_headers =
    " algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes"
    " climits clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg"
    " cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution expected filesystem"
    " format forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator"
    " latch limits list locale map memory memory_resource mutex new numbers numeric optional ostream queue random"
    " ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span spanstream sstream stack"
    " stacktrace stdexcept stop_token streambuf string string_view strstream syncstream system_error thread tuple"
    " type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector version ";

// What the sans-I/O core has no business with: threads, entropy, streams and files, coroutines, calendar and wall clock.
static constexpr std::string_view not_in_proto =
    " barrier condition_variable coroutine csetjmp csignal ctime filesystem fstream future iostream latch mutex random"
    " semaphore shared_mutex stop_token syncstream thread ";

static bool is_among(std::string_view words, const std::string& name) { return words.find(' ' + name + ' ') != words.npos; }

std::string floor_of(const std::string& file) {
  std::string_view rest = file;
  const bool is_public = rest.starts_with("include/hawser/");
  if (!is_public && !rest.starts_with("src/")) return {};
  rest.remove_prefix(is_public ? sizeof "include/hawser/" - 1 : sizeof "src/" - 1);
  const std::size_t slash = rest.find('/');
  if (slash == rest.npos) {
    const auto known = single_headers.find(rest);
    return known == single_headers.end() ? "?" : known->second;
  }
  const std::string name(rest.substr(0, slash));
  if (is_public && (name == "rpc" || name == "asio")) return {};  // targets of their own, on public headers
  return floors.contains(name) ? name : "?";
}

namespace {

struct include_line {
  std::size_t line;
  std::string name;
  char form;                               // '<' or '"'
};

std::vector<include_line> includes_of(std::string_view text) {
  std::vector<include_line> found;
  std::size_t number = 0;
  for (std::string_view line : lines_of(text)) {
    ++number;
    const std::size_t hash = line.find_first_not_of(" \t");
    if (hash == line.npos || line[hash] != '#') continue;
    line.remove_prefix(hash + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with("include")) continue;
    const std::size_t open = line.find_first_of("<\"");
    if (open == line.npos) continue;
    const char form = line[open];
    const std::size_t close = line.find(form == '<' ? '>' : '"', open + 1);
    if (close != line.npos) found.push_back({number, std::string(line.substr(open + 1, close - open - 1)), form});
  }
  return found;
}

// The file of the tree that an include names, if it is one of the tree's: beside the includer, or below a directory that the
// build gives to compilers.
std::optional<std::string> target_of(const include_line& include, const std::string& from, const names& files) {
  if (include.name.starts_with("hawser/")) return "include/" + include.name;
  const std::string beside = (fs::path(from).parent_path() / include.name).lexically_normal();
  if (include.form == '"' && files.contains(beside)) return beside;
  for (const char* directory : {"src/", "tests/", "bench/"}) {
    const std::string below = directory + include.name;
    if (files.contains(below)) return below;
  }
  if (include.form == '<') return std::nullopt;
  // Not there: generated, or misspelt. The first directory of a name like "proto/frame.hpp" still tells the floor it is meant for.
  const std::string first = include.name.substr(0, include.name.find('/'));
  return floors.contains(first) ? std::optional("src/" + include.name) : std::nullopt;
}

// What a directory of tests may see: the floor that it tests, the ground below, and the simulation.
names visible_to_tests(const std::string& file) {
  const names all = {"base", "proto", "io", "async", "link", "peer", "testing", "umbrella"};
  if (file.starts_with("tests/conformance/")) return {"base", "io", "testing"};
  const std::string_view unit = "tests/unit/";
  if (!file.starts_with(unit)) return all;
  const std::string floor = file.substr(unit.size(), file.find('/', unit.size()) - unit.size());
  const auto known = floors.find(floor);
  if (known == floors.end()) return all;
  names seen = known->second;
  seen.insert({"base", "io", "testing"});
  if (floor == "peer") seen.insert("umbrella");
  return seen;
}

struct reader {
  const std::string& file;
  const names& files;
  std::vector<finding>& findings;

  void report(const include_line& include, std::string why) const {
    findings.push_back({file, include.line, "includes " + include.name + ": " + std::move(why)});
  }

  void check_floor(const include_line& include, const std::string& floor) const {
    const bool is_public = file.starts_with("include/");
    const auto target = target_of(include, file, files);
    if (target) {
      const std::string seen = floor_of(*target);
      if (seen.empty() || seen == "?") {
        report(include, "no floor of the table");
      } else if (!floors.at(floor).contains(seen) && !(seen == floor)) {
        report(include, "floor " + floor + " does not see floor " + seen);
      } else if (is_public && !target->starts_with("include/")) {
        report(include, "a public header cannot use a private one");
      }
      return;
    }
    if (include.form == '"') {
      report(include, "no such file in the tree");
      return;
    }
    if (is_public && !is_among(standard_headers, include.name)) {
      report(include, "a public header names only hawser's and the standard library's");
      return;
    }
    if (floor != "proto") return;
    if (is_among(not_in_proto, include.name)) {
      report(include, "the sans-I/O core has no threads, clock, entropy, files or coroutines");
    } else if (!is_among(standard_headers, include.name) && !include.name.starts_with("boost/unordered/")) {
      report(include, "the sans-I/O core knows no operating system and no third party");
    }
  }

  void check_program(const include_line& include) const {
    const auto target = target_of(include, file, files);
    if (!target || target->starts_with("include/")) return;
    const std::string own = file.substr(0, file.find('/') + 1);
    if (target->starts_with(own) || ((own == "cli/" || own == "demo/") && target->starts_with("bench/"))) return;
    report(include, "programs on top use public headers only");
  }

  void check_tests(const include_line& include) const {
    const auto target = target_of(include, file, files);
    const std::string seen = target ? floor_of(*target) : std::string();
    if (!seen.empty() && seen != "?" && !visible_to_tests(file).contains(seen)) report(include, "these tests do not link floor " + seen);
  }
};

bool is_cpp(std::string_view file) { return file.ends_with(".hpp") || file.ends_with(".cpp"); }

bool is_program(std::string_view file) {
  return file.starts_with("cli/") || file.starts_with("demo/") || file.starts_with("examples/") || file.starts_with("relay/");
}

}  // namespace

std::vector<finding> wrong_includes(const fs::path& root, const std::vector<std::string>& files) {
  std::vector<finding> findings;
  const names known(files.begin(), files.end());
  for (const std::string& file : files) {
    if (!is_cpp(file)) continue;
    const reader reads{file, known, findings};
    const std::string floor = floor_of(file);
    if (floor == "?") {
      findings.push_back({file, 0, "belongs to no floor of the table in tests/tidy/floors.cpp"});
      continue;
    }
    for (const include_line& include : includes_of(text_of(root / file))) {
      if (!floor.empty()) reads.check_floor(include, floor);
      else if (is_program(file)) reads.check_program(include);
      else if (file.starts_with("tests/")) reads.check_tests(include);
    }
  }
  return findings;
}

}  // namespace hawser::tidy
