// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/resolver.hpp>
#include <hawser/link/dial.hpp>

#include <optional>
#include <vector>

namespace hawser::inline v0 {

// ---- a connected socket without an owner yet ----

struct connected_socket::parked final : io::socket_events {
  parked(io::engine& engine_, io::socket_id id_) noexcept : engine(&engine_), id(id_) {}
  ~parked() {
    if (id) engine->close(id);
  }
  void on_connected() override {}
  void on_bytes(byte_view) override { HAWSER_EXPECTS(false, "an engine gave bytes of a paused socket"); }
  void on_end() override { HAWSER_EXPECTS(false, "an engine gave the end of a paused socket"); }
  void on_sent(std::size_t) override {}
  void on_failed(std::error_code reason) override { failure = reason; }

  io::engine* engine;
  io::socket_id id;
  std::error_code failure;
};

connected_socket::connected_socket() noexcept = default;
connected_socket::connected_socket(std::unique_ptr<parked> socket) noexcept : parked_(std::move(socket)) {}
connected_socket::connected_socket(connected_socket&&) noexcept = default;
connected_socket& connected_socket::operator=(connected_socket&&) noexcept = default;
connected_socket::~connected_socket() = default;

connected_socket::operator bool() const noexcept { return parked_ != nullptr; }
io::socket_id connected_socket::id() const noexcept { return parked_ ? parked_->id : io::socket_id{}; }
endpoint connected_socket::local() const { return parked_ ? parked_->engine->local_endpoint(parked_->id) : endpoint(); }
endpoint connected_socket::remote() const { return parked_ ? parked_->engine->remote_endpoint(parked_->id) : endpoint(); }
std::error_code connected_socket::failure() const noexcept { return parked_ ? parked_->failure : std::error_code(); }

result<io::socket_id> connected_socket::release(io::socket_events& events) {
  HAWSER_EXPECTS(parked_, "an empty connected_socket");
  const std::unique_ptr<parked> from = std::move(parked_);
  if (from->failure) return hawser::failure(from->failure);
  const io::socket_id id = std::exchange(from->id, {});
  from->engine->hand_over(id, events);
  from->engine->resume_receiving(id);
  return id;
}

// ---- the race of a host's addresses ----

struct dialer::race {
  struct attempt final : io::socket_events {
    explicit attempt(race& in) noexcept : of(&in) {}
    void on_connected() override { of->connected(*this); }
    void on_failed(std::error_code reason) override { of->failed(*this, reason); }
    void on_bytes(byte_view) override {}
    void on_end() override {}
    void on_sent(std::size_t) override {}
    race* of;
    io::socket_id id;
  };
  struct overall_timer final : io::timer {
    explicit overall_timer(race& in) noexcept : of(&in) {}
    void on_timer() override { of->finish(failure(errc::connect_timeout)); }
    race* of;
  };
  struct pace_timer final : io::timer {
    explicit pace_timer(race& in) noexcept : of(&in) {}
    void on_timer() override { of->try_next(); }
    race* of;
  };
  // An address is dialled behind what others have marked to be sent in this turn: a connection that was closed before it says goodbye first,
  // and its other side is through with it when the new one arrives.
  struct first_attempt final : io::flushable {
    explicit first_attempt(race& in) noexcept : of(&in) {}
    void flush() override { of->try_next(); }
    race* of;
  };
  // Failures that are known inside the constructor or inside the resolver are told from a turn's jobs.
  struct failure_job final : io::job {
    explicit failure_job(race& in) noexcept : of(&in) {}
    void run() override { of->finish(failure(of->error)); }
    race* of;
  };

  race(loop& loop_, const dial_options& options_, handler done_) : on(&loop_), options(options_), done(std::move(done_)) {}
  ~race() { close_all(); }

  void begin(const endpoint& where);
  void try_next();
  void connected(attempt& by);
  void failed(attempt& by, std::error_code reason);
  void note(std::error_code reason) noexcept;
  void close_all() noexcept;
  void finish(result<connected_socket> answer);

  loop* on;
  dial_options options;
  handler done;
  io::resolution lookup;
  std::vector<endpoint> addresses;
  std::size_t next = 0;
  std::size_t running = 0;
  std::vector<std::unique_ptr<attempt>> attempts;
  std::error_code error;
  overall_timer overall{*this};
  pace_timer pace{*this};
  first_attempt first{*this};
  failure_job later{*this};
};

void dialer::race::begin(const endpoint& where) {
  // The loop's own time may be old when nobody has turned it for a while.
  on->arm(overall, after(on->engine().now(), options.timeout));
  switch (where.kind()) {
    case endpoint::family::none:
      error = make_error_code(errc::address_invalid);
      on->post(later);
      return;
    case endpoint::family::host_name:
      lookup = io::resolve(*on, where, options.resolve_timeout, [this](result<std::vector<endpoint>> found) {
        if (!found) {
          error = found.error();
          on->post(later);
          return;
        }
        addresses = std::move(*found);
        try_next();
      });
      return;
    default:
      addresses.push_back(where);
      on->flush_later(first);
  }
}

void dialer::race::try_next() {
  while (next < addresses.size() && attempts.size() < options.attempts_max) {
    attempts.push_back(std::make_unique<attempt>(*this));
    attempt& one = *attempts.back();
    const result<io::socket_id> id = on->engine().connect(addresses[next++], options.socket, one);
    if (id) {
      one.id = *id;
      ++running;
      if (next < addresses.size()) on->arm(pace, after(on->engine().now(), options.attempt_delay));
      return;
    }
    note(id.error());
  }
  on->disarm(pace);
  if (running == 0) on->post(later);
}

void dialer::race::connected(attempt& by) {
  io::engine& engine = on->engine();
  const io::socket_id id = std::exchange(by.id, {});
  engine.pause_receiving(id);
  auto parked = std::make_unique<connected_socket::parked>(engine, id);
  engine.hand_over(id, *parked);
  finish(connected_socket(std::move(parked)));
}

void dialer::race::failed(attempt& by, std::error_code reason) {
  on->engine().close(std::exchange(by.id, {}));
  --running;
  note(reason);
  try_next();
}

void dialer::race::note(std::error_code reason) noexcept {
  // A machine that answered says more than a family without a route.
  if (!error || error == errc::unreachable || error == errc::address_invalid) error = reason;
}

void dialer::race::close_all() noexcept {
  for (const auto& one : attempts)
    if (one->id) on->engine().abort(std::exchange(one->id, {}));
}

void dialer::race::finish(result<connected_socket> answer) {
  on->disarm(overall);
  on->disarm(pace);
  first.unlink();
  later.unlink();
  lookup = {};      // an answer that comes yet must not begin anew
  close_all();
  running = 0;
  next = addresses.size();
  // The handler may destroy the dialer, this race included.
  handler tell = std::move(done);
  tell(std::move(answer));
}

dialer::dialer(loop& on, const endpoint& where, const dial_options& options, handler done)
    : race_(std::make_unique<race>(on, options, std::move(done))) {
  race_->begin(where);
}
dialer::~dialer() = default;

// ---- the coroutine ----

namespace {

class dial_await final : public waiter {
 public:
  dial_await(loop& on, const endpoint& where, const dial_options& options) : loop_(&on), where_(&where), options_(&options) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    suspend(coroutine);
    dialer_.emplace(*loop_, *where_, *options_, [this](result<connected_socket> answer) {
      answer_ = std::move(answer);
      resume_later(*loop_);
    });
  }
  result<connected_socket> await_resume() { return std::move(answer_); }

 private:
  loop* loop_;
  const endpoint* where_;
  const dial_options* options_;
  std::optional<dialer> dialer_;
  result<connected_socket> answer_ = failure(errc::cancelled);
};

}  // namespace

task<result<connected_socket>> dial(loop& on, endpoint where, dial_options options) {
  dial_await wait(on, where, options);
  co_return co_await wait;
}

}  // namespace hawser::inline v0
