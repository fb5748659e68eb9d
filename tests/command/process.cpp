// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "process.hpp"

#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hawser::test {

process::process(const std::vector<std::string>& command) {
  int out[2];
  std::FILE* errors = std::tmpfile();
  if (!errors || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  errors_ = ::dup(::fileno(errors));
  std::fclose(errors);
  ::fcntl(errors_, F_SETFD, FD_CLOEXEC);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  id_ = ::fork();
  if (id_ == 0) {
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(errors_, STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(out[1]);
  output_ = out[0];
}

process::~process() {
  if (id_ > 0) {
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  ::close(output_);
  ::close(errors_);
}

std::string process::line() {
  for (;;) {
    const std::size_t end = buffered_.find('\n');
    if (end != std::string::npos) {
      std::string first = buffered_.substr(0, end);
      buffered_.erase(0, end + 1);
      return first;
    }
    char block[4096];
    const ssize_t got = ::read(output_, block, sizeof block);
    if (got <= 0) return std::exchange(buffered_, {});
    buffered_.append(block, static_cast<std::size_t>(got));
  }
}

std::string process::rest() {
  char block[4096];
  while (const ssize_t got = ::read(output_, block, sizeof block)) {
    if (got < 0) break;
    buffered_.append(block, static_cast<std::size_t>(got));
  }
  return std::exchange(buffered_, {});
}

void process::signal(int number) { ::kill(id_, number); }

int process::wait() {
  int status = 0;
  ::waitpid(std::exchange(id_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string process::errors() {
  std::string all;
  char block[4096];
  off_t at = 0;
  while (const ssize_t got = ::pread(errors_, block, sizeof block, at)) {
    if (got < 0) break;
    all.append(block, static_cast<std::size_t>(got));
    at += got;
  }
  return all;
}

outcome run(const std::vector<std::string>& command) {
  process program(command);
  outcome result;
  result.output = program.rest();
  result.code = program.wait();
  result.errors = program.errors();
  return result;
}

}  // namespace hawser::test
