// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/load.hpp"

#include "common/clock.hpp"

#include <algorithm>
#include <cstdio>

#include <sys/resource.h>
#include <unistd.h>

namespace hawser::bench {
namespace {

std::int64_t busy_ns() noexcept {
  std::FILE* statistics = std::fopen("/proc/stat", "re");
  if (!statistics) return 0;
  unsigned long long user = 0, nice = 0, system = 0;
  const int found = std::fscanf(statistics, "cpu %llu %llu %llu", &user, &nice, &system);
  std::fclose(statistics);
  return found == 3 ? static_cast<std::int64_t>(user + nice + system) * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)) : 0;
}

std::int64_t own_ns() noexcept {
  std::int64_t sum = 0;
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    for (const timeval& part : {used.ru_utime, used.ru_stime}) sum += std::int64_t{part.tv_sec} * 1'000'000'000 + std::int64_t{part.tv_usec} * 1000;
  }
  return sum;
}

}  // namespace

foreign_load::foreign_load() noexcept : since_ns_(now_ns()), busy_ns_(busy_ns()), own_ns_(own_ns()) {}

double foreign_load::cores() const noexcept {
  const std::int64_t foreign = (busy_ns() - busy_ns_) - (own_ns() - own_ns_);
  return std::max(0.0, static_cast<double>(foreign) / static_cast<double>(std::max<std::int64_t>(now_ns() - since_ns_, 1)));
}

}  // namespace hawser::bench
