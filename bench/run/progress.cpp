// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/progress.hpp"

#include <unistd.h>

namespace hawser::bench {

std::string time_left(std::int64_t elapsed_ns, std::size_t done, std::size_t all) {
  if (done == 0 || done >= all) return {};
  const double seconds = static_cast<double>(elapsed_ns) / 1e9 / static_cast<double>(done) * static_cast<double>(all - done);
  if (seconds < 90) return std::to_string(static_cast<int>(seconds + 0.5)) + " s";
  return std::to_string(static_cast<int>(seconds / 60 + 0.5)) + " min";
}

progress::progress(std::size_t runs) : runs_(runs), shown_(::isatty(STDERR_FILENO) != 0) {}

void progress::next(const std::string& what) {
  const std::string left = time_left(now_ns() - since_ns_, begun_, runs_);
  ++begun_;
  if (!shown_) return;
  std::fprintf(stderr, "\r\033[K%zu of %zu: %s%s%s", begun_, runs_, what.c_str(), left.empty() ? "" : ", about ", left.empty() ? "" : (left + " left").c_str());
  std::fflush(stderr);
  dirty_ = true;
}

void progress::clear() {
  if (dirty_) std::fprintf(stderr, "\r\033[K");
  dirty_ = false;
}

}  // namespace hawser::bench
