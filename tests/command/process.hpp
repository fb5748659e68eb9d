// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace hawser::test {

// A program that runs beside the test, its standard output readable line by line, its standard error collected at the end. Killed
// when it goes out of scope.
class process {
 public:
  explicit process(const std::vector<std::string>& command);
  ~process();
  process(const process&) = delete;

  std::string line();                  // the next line of its output; empty: the output ended
  std::string rest();                  // everything until the output ends
  void signal(int number);
  int wait();                          // its exit code; 128 + n when signal n ended it
  std::string errors();                // after wait()

 private:
  pid_t id_ = -1;
  int output_ = -1, errors_ = -1;
  std::string buffered_;
};

struct outcome {
  int code;
  std::string output, errors;
};
outcome run(const std::vector<std::string>& command);

}  // namespace hawser::test
