// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "jobs.hpp"
#include "sha256.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

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

struct transfer {
  std::uint64_t sent = 0, received = 0;
  std::string failure;
  bool done = false;
};

hawser::task<> upload(hawser::outgoing_request& rq, std::FILE* from, transfer& state) {
  std::vector<std::byte> block(block_bytes);
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), from)) {
    const hawser::byte_view piece(block.data(), got);
    if (const auto written = co_await rq.write(piece); !written) {
      state.failure = written.error().message();
      co_return;
    }
    state.sent += got;
  }
  rq.finish();
}

hawser::task<> download(hawser::outgoing_request& rq, std::FILE* to, transfer& state, progress_bar& bar) {
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk) {
      state.failure = chunk.error().message();
      break;
    }
    if (chunk->empty()) break;
    if (std::fwrite(chunk->data(), 1, chunk->size(), to) != chunk->size()) state.failure = "cannot write the copy";
    state.received += chunk->size();
    bar.at(state.sent + state.received);
  }
  state.done = true;
}

// Round trips of a small request on the same connection, one after another with a short pause, until told to end.
hawser::task<> ping(bench_seat& seat, const bool& end, samples& times) {
  while (!end) {
    const auto start = std::chrono::steady_clock::now();
    const auto answer = co_await seat.me.call(seat.server, "echo", hawser::as_bytes("pingpong"), {.urgency = 0});
    if (!answer) co_return;
    times.add(static_cast<std::uint64_t>((std::chrono::steady_clock::now() - start).count()));
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

hawser::task<> move_file(bench_seat& seat, const std::string& source, const std::string& copy, std::uint64_t bytes, transfer& state, samples& times) {
  const file_handle from(std::fopen(source.c_str(), "rb"), &std::fclose), to(std::fopen(copy.c_str(), "wb"), &std::fclose);
  auto rq = seat.me.start(seat.server, "file");
  if (!from || !to || !rq) {
    state.failure = rq ? "cannot open the file" : rq.error().message();
    co_return;
  }
  progress_bar bar("file there and back", 2 * bytes, "bytes");
  hawser::scope all(seat.loop);
  all.spawn(upload(*rq, from.get(), state));
  all.spawn(download(*rq, to.get(), state, bar));
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
  const auto start = std::chrono::steady_clock::now();
  co_await move_file(seat, source, copy.path(), bytes, state, loaded);
  const double elapsed = seconds_since(start);

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
