// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/echoes.hpp"
#include "raw/ring.hpp"
#include "raw/sides.hpp"
#include "raw/sockets.hpp"

#include <cerrno>

namespace hawser::bench::raw {
namespace {

// The kernel takes provided buffers in turn: few of them stay in the cache. Who finds none is armed again in the next turn.
constexpr ring::geometry geometry{.submissions = 4096, .completions = 16384, .buffers = 512, .buffer_bytes = 256};

class turns {
 public:
  static std::unique_ptr<turns> make(std::vector<echo_line>& lines, const job& of, tally& counted) {
    auto on = ring::make(geometry);
    if (!on) {
      counted.fail(on.error());
      return nullptr;
    }
    return std::unique_ptr<turns>(new turns(lines, of, counted, std::move(*on)));
  }
  ~turns() { counted_.system_calls = ring_->system_calls() - calls_before_; }

  template <class Came, class Over>
  void turn(Came&& came, Over&& over) {
    for (const std::size_t line : unarmed_) ring_->receive(lines_[line].socket, line);
    unarmed_.clear();
    if (ring_->enter(sleeps_) != 0) counted_.fail("io_uring_enter");
    if (!ring_->has_completions()) return;
    const std::int64_t now = now_ns();
    ring_->take([&](std::uint64_t mark, int result, unsigned flags) {
      if ((mark & sending) != 0) {
        if (result != static_cast<int>(frame_bytes)) counted_.fail("send");
        return;
      }
      if (result > 0) {
        came(lines_[mark], bytes_view(ring_->buffer(flags), static_cast<std::size_t>(result)), now);
        ring_->give_back(flags);
      }
      if ((flags & IORING_CQE_F_MORE) != 0) return;
      if (result == 0 || result == -ECONNRESET) over();
      else if (result > 0 || result == -ENOBUFS) unarmed_.push_back(mark);
      else counted_.fail("recv");
    });
  }

  void send(const echo_line& line) {
    ring_->send(line.socket, line.frame, sizeof line.frame, sending | static_cast<std::uint64_t>(&line - lines_.data()));
  }

 private:
  static constexpr std::uint64_t sending = std::uint64_t{1} << 32;

  turns(std::vector<echo_line>& lines, const job& of, tally& counted, std::unique_ptr<ring> on)
      : lines_(lines), sleeps_(of.wait == wait_mode::block), counted_(counted), ring_(std::move(on)) {
    for (std::size_t i = 0; i < lines_.size(); ++i) ring_->receive(lines_[i].socket, i);
    calls_before_ = ring_->system_calls();
  }

  std::vector<echo_line>& lines_;
  bool sleeps_;
  tally& counted_;
  std::unique_ptr<ring> ring_;
  std::uint64_t calls_before_ = 0;
  std::vector<std::size_t> unarmed_;
};

}  // namespace

void serve_echoes_by_uring(const std::vector<int>& sockets, const job& of, tally& counted) {
  std::vector<echo_line> lines = lines_of(sockets);
  const auto on = turns::make(lines, of, counted);
  if (!on) return;
  echo_server server(counted);
  const auto answer = [&](echo_line& line) { on->send(line); };
  for (std::size_t open = lines.size(); open > 0 && !counted.failed();) {
    on->turn([&](echo_line& line, bytes_view bytes, std::int64_t) { server.came(line, bytes, answer); }, [&] { --open; });
  }
}

void drive_echoes_by_uring(const std::vector<int>& sockets, const job& of, tally& counted) {
  std::vector<echo_line> lines = lines_of(sockets);
  const auto on = turns::make(lines, of, counted);
  if (!on) return;
  echo_client client(of, counted);
  const auto send = [&](echo_line& line) { on->send(line); };
  for (echo_line& line : lines) {
    client.ask(line, now_ns());
    send(line);
  }
  while (!client.is_over()) {
    on->turn([&](echo_line& line, bytes_view bytes, std::int64_t now) { client.came(line, bytes, now, send); }, [&] { counted.fail("a connection has ended"); });
  }
  for (const int socket : sockets) reset(socket);
}

}  // namespace hawser::bench::raw
