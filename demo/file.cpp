// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "jobs.hpp"
#include "sha256.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace demo {
namespace {

using file_handle = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
constexpr std::size_t block_bytes = 64 * 1024;
constexpr auto goal_p99 = std::chrono::microseconds(150);

// A file of the system's temporary directory, removed with this object.
class temporary_file {
 public:
  temporary_file() {
    const char* directory = std::getenv("TMPDIR");
    path_ = std::string(directory && *directory ? directory : "/tmp") + "/hawser-demo-XXXXXX";
    const int descriptor = ::mkstemp(path_.data());
    if (descriptor >= 0) ::close(descriptor);
  }
  ~temporary_file() { ::unlink(path_.c_str()); }
  temporary_file(const temporary_file&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool fill(const std::string& path, std::uint64_t bytes) {
  const file_handle file(std::fopen(path.c_str(), "wb"), &std::fclose);
  std::vector<std::uint64_t> block(block_bytes / 8);
  std::uint64_t state = 0x9E3779B97F4A7C15u;
  for (std::uint64_t done = 0; file && done < bytes; done += block_bytes) {
    for (std::uint64_t& word : block) {      // xorshift: content that neither repeats nor compresses
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      word = state;
    }
    if (std::fwrite(block.data(), 1, block_bytes, file.get()) != block_bytes) return false;
  }
  return file != nullptr;
}

// A file in memory, every page of it present, and written to once where it is to be written: the loop that moves it waits neither for a
// disk nor for the file system's books.
class mapped_file {
 public:
  enum class access { read, write };
  mapped_file(const std::string& path, std::uint64_t bytes, access how) : bytes_(bytes) {
    const int descriptor = ::open(path.c_str(), how == access::write ? O_RDWR : O_RDONLY);
    if (descriptor < 0) return;
    const bool sized = how == access::read || ::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0;
    const int protection = how == access::write ? PROT_READ | PROT_WRITE : PROT_READ;
    void* at = sized ? ::mmap(nullptr, bytes, protection, MAP_SHARED | MAP_POPULATE, descriptor, 0) : MAP_FAILED;
    ::close(descriptor);
    if (at == MAP_FAILED) return;
    at_ = static_cast<std::byte*>(at);
    if (how == access::read) return;
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    for (std::uint64_t offset = 0; offset < bytes; offset += page_bytes) *static_cast<volatile std::byte*>(at_ + offset) = std::byte{0};
  }
  ~mapped_file() {
    if (at_) ::munmap(at_, bytes_);
  }
  mapped_file(const mapped_file&) = delete;
  explicit operator bool() const { return at_ != nullptr; }
  std::byte* at(std::uint64_t offset) const { return at_ + offset; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::byte* at_ = nullptr;
  std::uint64_t bytes_;
};

struct transfer {
  std::uint64_t sent = 0, received = 0;
  std::string failure;
  bool done = false;
};

hawser::task<> upload(hawser::outgoing_request& rq, const mapped_file& from, transfer& state) {
  while (state.sent < from.bytes()) {
    const hawser::byte_view piece(from.at(state.sent), std::min<std::uint64_t>(block_bytes, from.bytes() - state.sent));
    if (const auto written = co_await rq.write(piece); !written) {
      state.failure = written.error().message();
      co_return;
    }
    state.sent += piece.size();
  }
  rq.finish();
}

hawser::task<> download(hawser::outgoing_request& rq, const mapped_file& to, transfer& state, progress_bar& bar) {
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk) {
      state.failure = chunk.error().message();
      break;
    }
    if (chunk->empty()) break;
    if (chunk->size() > to.bytes() - state.received) {
      state.failure = "more came back than was sent";
      break;
    }
    std::memcpy(to.at(state.received), chunk->data(), chunk->size());
    state.received += chunk->size();
    bar.at(state.sent + state.received);
  }
  state.done = true;
}

// Round trips of a small request on the same connection, one after another with a short pause, until told to end.
hawser::task<> ping(bench_seat& seat, const bool& end, samples& times) {
  while (!end) {
    const auto start = seat.now();
    const auto answer = co_await seat.me.call(seat.server, "echo", hawser::as_bytes("pingpong"), {.urgency = 0});
    if (!answer) co_return;
    times.add(static_cast<std::uint64_t>((seat.now() - start).count()));
    co_await hawser::sleep(seat.loop, std::chrono::microseconds(100));
  }
}

hawser::task<> ping_for_a_second(bench_seat& seat, samples& times) {
  bool end = false;
  hawser::scope pinging(seat.loop);
  pinging.spawn(ping(seat, end, times));
  co_await hawser::sleep(seat.loop, std::chrono::seconds(1));
  end = true;
  co_await pinging.join();
}

hawser::task<> move_file(bench_seat& seat, const mapped_file& from, const mapped_file& to, transfer& state, samples& times) {
  auto rq = seat.me.start(seat.server, "file");
  if (!rq) {
    state.failure = rq.error().message();
    co_return;
  }
  progress_bar bar = seat.progress("file there and back", 2 * from.bytes(), "bytes");
  hawser::scope all(seat.loop);
  all.spawn(upload(*rq, from, state));
  all.spawn(download(*rq, to, state, bar));
  all.spawn(ping(seat, state.done, times));
  co_await all.join();
}

}  // namespace

hawser::task<> stream_file(bench_seat& seat) {
  const temporary_file made, copy;
  const std::string& source = seat.work.file.empty() ? made.path() : seat.work.file;
  if (seat.work.file.empty() && !fill(source, seat.work.file_bytes)) {
    seat.results.row("file", "cannot make " + source, false);
    co_return;
  }
  struct stat status {};
  const std::uint64_t bytes = ::stat(source.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;

  samples idle, loaded;
  co_await ping_for_a_second(seat, idle);
  transfer state;
  double elapsed = 1;
  {
    const mapped_file from(source, bytes, mapped_file::access::read), to(copy.path(), bytes, mapped_file::access::write);
    const auto start = seat.now();
    if (from && to) co_await move_file(seat, from, to, state, loaded);
    else state.failure = "cannot map the file";
    elapsed = seat.seconds_since(start);
  }

  const std::string before = sha256_of_file(source), returned = sha256_of_file(copy.path());
  const bool same = bytes > 0 && state.failure.empty() && state.received == bytes && !before.empty() && before == returned;
  char speed[64];
  std::snprintf(speed, sizeof speed, "%.2f GB/s, SHA-256 ", 2.0 * static_cast<double>(bytes) / elapsed / 1e9);
  std::string figures = with_commas(bytes) + " bytes there and back, " + speed + before.substr(0, 12) + (same ? " = " : " != ") + returned.substr(0, 12);
  if (!state.failure.empty()) figures = state.failure;
  seat.results.row("file", std::move(figures), same);

  seat.results.row("ping idle", "p50 " + microseconds(idle.percentile(0.5)) + ", p99 " + microseconds(idle.percentile(0.99)) + " over " + with_commas(idle.count()),
                   idle.count() > 0);
  const std::uint64_t p99 = loaded.percentile(0.99);
  const bool met = std::chrono::nanoseconds(p99) <= goal_p99;
  seat.results.row("ping beside the file",
                   "p50 " + microseconds(loaded.percentile(0.5)) + ", p99 " + microseconds(p99) + " over " + with_commas(loaded.count()) +
                       (seat.work.spinning ? (met ? " (goal p99 <= 150 us: met)" : " (goal p99 <= 150 us: missed on this machine)") : ""),
                   loaded.count() > 0);
}

}  // namespace demo
