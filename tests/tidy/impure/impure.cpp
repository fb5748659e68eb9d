// SPDX-License-Identifier: Apache-2.0 OR MIT
// Everything that a sans-I/O core must not do, so that the check of the real one can be seen to notice it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <pthread.h>
#include <sys/random.h>
#include <sys/socket.h>

namespace impure {

int counter = 1;
const char* const constant_table[] = {"a", "b"};

int everything() {
  static const std::string late = std::getenv("HOME") != nullptr ? "home" : "none";
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  unsigned seed = 0;
  if (getrandom(&seed, sizeof seed, 0) < 0) std::puts(constant_table[seed % 2]);
  if (seed == 7) throw late;
  counter += static_cast<int>(std::chrono::steady_clock::now().time_since_epoch().count());
  return socket(AF_INET, SOCK_STREAM, 0) + counter;
}

}  // namespace impure
