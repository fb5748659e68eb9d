// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/resolver.hpp>

#include "io/name_lookup.hpp"

#include <optional>
#include <utility>

namespace hawser::inline v0::io {
namespace {

// The question as its loop asked it. waiting_ belongs to the loop's thread and is null once nobody waits any more.
template <class Waiting>
class loop_question final : public name_lookup, public std::enable_shared_from_this<loop_question<Waiting>> {
 public:
  loop_question(const endpoint& where, hawser::remote way_back, Waiting& waiting)
      : name_lookup(std::string(where.name()), where.port()), waiting_(&waiting), way_back_(std::move(way_back)) {}

  void forget() noexcept { waiting_ = nullptr; }

  // The loop's queue may be full: then the answer goes in when there is room. The loop may be gone: then nobody asks.
  void answered(result<std::vector<endpoint>> addresses) override {
    answer_.emplace(std::move(addresses));
    auto tell = [self = this->shared_from_this()] { self->tell(); };
    const auto posted = way_back_.post(tell);
    if (!posted && posted.error() == errc::would_block) static_cast<void>(way_back_.on_writable(std::move(tell)));
  }

 private:
  void tell() {
    if (waiting_) std::exchange(waiting_, nullptr)->finish(std::move(*answer_));
  }
  Waiting* waiting_;
  hawser::remote way_back_;
  std::optional<result<std::vector<endpoint>>> answer_;
};

}  // namespace

// One look-up, as its owner holds it. The timer is its time-out while the system is asked, and the moment of the answer when
// that is known already.
struct resolution::state final : timer {
  using question = loop_question<state>;

  state(loop& loop_of, resolution::handler call) : on(loop_of), handler(std::move(call)) {}
  ~state() { give_up(); }

  void on_timer() override {
    if (!known) known.emplace(failure(errc::resolve_timeout));
    auto answer = std::move(*known);
    finish(std::move(answer));
  }

  // The handler may destroy this.
  void finish(result<std::vector<endpoint>> answer) {
    give_up();
    on.disarm(*this);
    if (answer) *answer = interleave_families(std::move(*answer));
    auto call = std::move(handler);
    call(std::move(answer));
  }

  void give_up() noexcept {
    if (!asked) return;
    asked->forget();
    withdraw(asked);
    asked.reset();
  }

  loop& on;
  resolution::handler handler;
  std::shared_ptr<question> asked;
  std::optional<result<std::vector<endpoint>>> known;
};

resolution::resolution() noexcept = default;
resolution::resolution(resolution&&) noexcept = default;
resolution& resolution::operator=(resolution&&) noexcept = default;
resolution::~resolution() = default;

resolution resolve(loop& on, const endpoint& where, duration timeout, resolution::handler handler) {
  resolution made;
  made.state_ = std::make_unique<resolution::state>(on, std::move(handler));
  resolution::state& s = *made.state_;
  const auto answer_at = [&](instant when, result<std::vector<endpoint>> answer) {
    s.known.emplace(std::move(answer));
    on.arm(s, when);
  };
  // Read here: the loop's own time may be old when nobody has turned it for a while, and a look-up must not begin timed out.
  const instant asked_at = on.engine().now();
  const instant limit = after(asked_at, timeout);
  if (!where.valid()) {
    answer_at(on.now(), failure(errc::address_invalid));
  } else if (where.kind() != endpoint::family::host_name) {
    answer_at(on.now(), std::vector<endpoint>{where});
  } else if (auto table = on.engine().look_up(where)) {
    const instant when = after(asked_at, table->delay);
    if (when < limit) {
      answer_at(when, std::move(table->addresses));
    } else {
      on.arm(s, limit);
    }
  } else {
    s.asked = std::make_shared<resolution::state::question>(where, on.remote(), s);
    if (ask_system(s.asked)) {
      on.arm(s, limit);
    } else {
      s.asked.reset();
      answer_at(on.now(), failure(errc::out_of_memory_budget));
    }
  }
  return made;
}

}  // namespace hawser::inline v0::io
