// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "tidy/source_tree.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <sys/wait.h>

namespace hawser::tidy {

namespace fs = std::filesystem;

std::string to_text(const std::vector<finding>& findings) {
  std::ostringstream out;
  for (const finding& f : findings) {
    out << "\n  " << f.file;
    if (f.line != 0) out << ':' << f.line;
    out << ": " << f.what;
  }
  return out.str();
}

std::string output_of(const std::string& command, int& status) {
  std::string text;
  status = -1;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 4096> block;
  while (const std::size_t n = std::fread(block.data(), 1, block.size(), pipe)) text.append(block.data(), n);
  const int ended = ::pclose(pipe);
  if (WIFEXITED(ended)) status = WEXITSTATUS(ended);
  return text;
}

static std::vector<std::string> walk(const fs::path& root) {
  std::vector<std::string> files;
  for (auto at = fs::recursive_directory_iterator(root); at != fs::recursive_directory_iterator(); ++at) {
    const std::string name = at->path().filename();
    if (at->is_directory() && (name == "build" || name == "node_modules" || (name.starts_with('.') && name != ".ci"))) {
      at.disable_recursion_pending();
    } else if (at->is_regular_file()) {
      files.push_back(fs::relative(at->path(), root));
    }
  }
  return files;
}

std::vector<std::string> files_of(const fs::path& root) {
  std::vector<std::string> files;
  int status = -1;
  // The root itself has to be the working copy: inside another one git would list nothing, or the other's files.
  if (fs::exists(root / ".git")) {
    const std::string listed = output_of("git -C '" + root.string() + "' ls-files -co --exclude-standard -z 2>/dev/null", status);
    for (std::size_t begin = 0; status == 0 && begin < listed.size();) {
      const std::size_t end = listed.find('\0', begin);
      std::string file = listed.substr(begin, end - begin);
      if (fs::is_regular_file(root / file)) files.push_back(std::move(file));
      begin = end + 1;
    }
  }
  if (status != 0) files = walk(root);
  std::sort(files.begin(), files.end());
  return files;
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace hawser::tidy
