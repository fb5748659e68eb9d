// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "tidy/purity.hpp"

#include <array>
#include <set>
#include <string>

namespace hawser::tidy {

namespace {

struct rule {
  std::string_view why;
  std::set<std::string_view> exact;
  std::vector<std::string_view> prefixes;
};

const std::vector<rule>& rules() {
  static const std::vector<rule> all = {
      {"a socket: the core gets bytes and gives bytes",
          {"socket", "socketpair", "bind", "listen", "accept", "accept4", "connect", "send", "sendto", "sendmsg", "sendmmsg", "recv",
              "recvfrom", "recvmsg", "recvmmsg", "shutdown", "setsockopt", "getsockopt", "getaddrinfo", "poll", "ppoll", "select", "pselect",
              "eventfd", "pipe", "pipe2", "syscall", "ioctl", "fcntl", "fcntl64"},
          {"epoll_", "io_uring_"}},
      {"a clock: time comes in as an argument",
          {"clock_gettime", "clock_getres", "gettimeofday", "time", "clock", "nanosleep", "clock_nanosleep", "usleep", "sleep", "localtime",
              "localtime_r", "gmtime", "gmtime_r", "alarm", "setitimer"},
          {"timerfd_", "timer_", "_ZNSt6chrono3_V212system_clock", "_ZNSt6chrono3_V212steady_clock"}},
      {"a thread or a lock: a connection belongs to one thread, and knows none",
          {"fork", "vfork", "sched_yield"},
          {"pthread_", "sem_", "_ZNSt6thread", "_ZNSt18condition_variable", "_ZNSt5mutex", "_ZNSt3_V222condition_variable", "__gthread"}},
      {"entropy: seeds are injected",
          {"getrandom", "getentropy", "rand", "rand_r", "srand", "random", "srandom", "drand48", "arc4random"},
          {"_ZNSt13random_device"}},
      {"a file or a stream: nothing is read, written or logged here",
          {"open", "open64", "openat", "openat64", "close", "read", "write", "readv", "writev", "pread", "pwrite", "lseek", "stat", "fstat",
              "fopen", "fopen64", "fclose", "fread", "fwrite", "fputs", "fputc", "puts", "putchar", "printf", "fprintf", "vfprintf", "perror",
              "mmap", "mmap64", "munmap", "stdout", "stderr", "stdin", "syslog", "_ZSt4cout", "_ZSt4cerr", "_ZSt4clog", "_ZSt3cin"},
          {"_ZNSt8ios_base4Init", "_ZNSt14basic_ofstream", "_ZNSt14basic_ifstream", "__printf_chk", "__fprintf_chk", "_ZNSt10filesystem"}},
      {"the environment: settings come in as arguments", {"getenv", "secure_getenv", "setenv", "environ"}, {}},
      {"an exception: errors are values here", {"__cxa_throw", "__cxa_rethrow", "__cxa_allocate_exception"}, {}},
      {"a global with an initialiser at run time", {"__cxa_guard_acquire", "__cxa_atexit", "__dso_handle"}, {}},
  };
  return all;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// One line of nm's table form: name, value, class, type, size, line, section.
std::array<std::string_view, 7> columns_of(std::string_view line) {
  std::array<std::string_view, 7> columns;
  for (std::string_view& column : columns) {
    const std::size_t end = std::min(line.find('|'), line.size());
    column = trimmed(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return columns;
}

bool is_writable(std::string_view section) {
  if (section.starts_with(".data.rel.ro")) return false;  // constants with addresses in them, read-only once relocated
  for (std::string_view name : {".data", ".bss", ".tdata", ".tbss", "*COM*"}) {
    if (section == name || (section.starts_with(name) && section.size() > name.size() && section[name.size()] == '.')) return true;
  }
  return false;
}

// What instrumentation adds is not the core's own.
bool is_instrumentation(std::string_view symbol) {
  for (std::string_view part : {"asan", "ubsan", "tsan", "sancov", "sanitizer", "llvm", "__start_", "__stop_"}) {
    if (symbol.find(part) != symbol.npos) return true;
  }
  return false;
}

std::string table_of(const std::filesystem::path& archive) {
  int status = -1;
  return output_of(std::string("'") + HAWSER_NM + "' --format=sysv '" + archive.string() + "' 2>/dev/null", status);
}

}  // namespace

std::string_view forbidden_in_core(std::string_view symbol) {
  symbol = symbol.substr(0, symbol.find('@'));  // the version of a symbol is not its name
  for (const rule& r : rules()) {
    if (r.exact.contains(symbol)) return r.why;
    for (std::string_view prefix : r.prefixes) {
      if (symbol.starts_with(prefix)) return r.why;
    }
  }
  return {};
}

std::vector<finding> impurities(const std::filesystem::path& archive) {
  std::vector<finding> findings;
  const std::string table = table_of(archive);
  for (std::string_view line : lines_of(table)) {
    const auto [name, value, kind, type, size, source, section] = columns_of(line);
    if (kind.empty() || is_instrumentation(name)) continue;
    if (kind == "U") {
      if (const std::string_view why = forbidden_in_core(name); !why.empty()) {
        findings.push_back({archive.filename(), 0, "refers to " + std::string(name) + ", " + std::string(why)});
      }
    } else if (is_writable(section) && type != "SECTION" && (type == "OBJECT" || type == "TLS")) {
      findings.push_back({archive.filename(), 0, "holds the writable global " + std::string(name)});
    }
  }
  return findings;
}

std::size_t defined_symbols(const std::filesystem::path& archive) {
  std::size_t count = 0;
  const std::string table = table_of(archive);
  for (std::string_view line : lines_of(table)) {
    const auto columns = columns_of(line);
    if (columns[2] == "T" || columns[2] == "W") ++count;
  }
  return count;
}

}  // namespace hawser::tidy
