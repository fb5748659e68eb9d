// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/channel_state.hpp"
#include "peer/connection_state.hpp"
#include "peer/core.hpp"

#include <cstdlib>
#include <exception>

// How a handler's task runs beside its connection.

namespace hawser::inline v0::detail {
namespace {

// Of a channel that the other side opened, see channel_state::own_share_: a body read to its end, an answer, and one more.
constexpr std::uint8_t completions_of_its_own = 4;

bool runs_now(const execution& one) noexcept {
  for (const running* at = innermost; at; at = at->outer)
    if (at->root == &one) return true;
  return false;
}

// Is resumed when a handler's task ends that did not in its first turn. Belongs to the channel until then; its frame frees itself.
class sequel {
 public:
  struct promise_type : pooled_frame {
    sequel get_return_object() noexcept { return sequel(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::abort(); }
  };
  std::coroutine_handle<> coroutine;

 private:
  explicit sequel(std::coroutine_handle<> h) noexcept : coroutine(h) {}
};

}  // namespace

channel_state::channel_state(peer_connection& with, proto::channel_id id, proto::channel_kind kind, std::uint8_t urgency,
                             std::string_view operation) noexcept
    : loop_(&with.core()->home()), with_(&with), operation_(operation), began_(loop_->now()), id_(id), kind_(kind), urgency_(urgency),
      incoming_(true), started_(true), attached_(true), head_here_(true), own_share_(completions_of_its_own) {
  with.wire()->set_user(id_, this);
  with.channels().push_back(*this);
}

void channel_state::take_options(const proto::remote_open& what) {
  if (what.deadline) deadline_ = after(began_, *what.deadline);
  if (operation_.empty() && !what.operation.empty()) {
    chunk& text = need_extras().text;
    text = loop_->buffers().copy(as_bytes(what.operation));
    operation_ = as_text(text.view());
  }
  if (!what.meta.empty()) need_extras().head = loop_->buffers().copy(what.meta);
}

// A channel that the other side opened, with the handler's task that serves it. Both are one piece of memory: most handlers end in the
// turn in which they begin, and need no more than that and their own frame.
class served_channel final : public channel_state {
 public:
  served_channel(peer_connection& on, proto::channel_id id, proto::channel_kind kind, std::uint8_t urgency, operation_entry* entry,
                 const ref<handler_record>& handler) noexcept
      : channel_state(on, id, kind, urgency, entry ? std::string_view(entry->name) : std::string_view()), entry_(entry), handler_(handler) {}

  void begin(peer_connection& on, const proto::event& opened);
  void begin(peer_connection& on, const proto::plain_request& asked);
  void drop() noexcept;

 private:
  struct part final : execution {
    explicit part(served_channel& whole) noexcept : of(whole) {}
    void destroy() noexcept override { of.drop(); }
    served_channel& of;
  };
  static sequel when_done(served_channel* of);
  void abandon_work() noexcept override;
  void enter_books(peer_core& core);
  bool start();
  void end();
  void failed();
  void close_books();

  operation_entry* entry_;
  const ref<handler_record> handler_;
  request request_{this};
  task<> work_;
  std::exception_ptr thrown_;
  std::coroutine_handle<> sequel_;
  bool working_ = true;
  part part_{*this};
};

void served_channel::enter_books(peer_core& core) {
  retain();      // the handle's, which is request_
  retain();      // the task's, which may outlive its request
  if (entry_) entry_->begin();
  core.runs().push_back(part_);
  core.run_began();
}

void served_channel::begin(peer_connection& on, const proto::event& opened) {
  take_options(*opened.open);
  enter_books(*on.core());
  if (proto::event first; on.wire()->poll_first(first)) take_first(first.bytes, first.cost, first.last);
  if (start()) put_away_fresh();
}

void served_channel::begin(peer_connection& on, const proto::plain_request& asked) {
  enter_books(*on.core());
  take_first(asked.bytes, asked.cost, asked.last);
  if (start()) put_away_fresh();
}

// To its first suspension, which is mostly its end. False: this may be gone.
bool served_channel::start() {
  running here{&part_, innermost};
  innermost = &here;
  try {
    work_ = handler_->call(request_);
    if (work_) work_.start();
  } catch (...) {
    thrown_ = std::current_exception();
  }
  innermost = here.outer;
  if (!work_ || work_.done()) {
    end();
    return false;
  }
  if (part_.doomed) {
    drop();
    return false;
  }
  sequel_ = when_done(this).coroutine;
  work_.then(sequel_);
  return true;
}

sequel served_channel::when_done(served_channel* of) {
  of->sequel_ = nullptr;
  of->end();
  co_return;
}

void served_channel::end() {
  part_.unlink();
  working_ = false;
  if (work_) {
    try {
      work_.take();
    } catch (...) {
      thrown_ = std::current_exception();
    }
    work_.reset();
  }
  if (!request_) {
    put_away_fresh();      // somebody has taken it, and may read it when the receive buffer is another's
  } else if (thrown_) [[unlikely]] {
    failed();
  } else if (conclude()) {
    request_.state_ = nullptr;      // the handle is given up with it
    release();
  }
  close_books();
  release();
}

// The handler threw.
void served_channel::failed() {
  if (peer_core* core = with()->core()) {
    try {
      std::rethrow_exception(thrown_);
    } catch (const std::exception& error) {
      core->log(log_level::warning, with()->number(), "the handler of '%.*s' threw: %s", static_cast<int>(operation().size()), operation().data(),
                error.what());
    } catch (...) {
      core->log(log_level::warning, with()->number(), "the handler of '%.*s' threw", static_cast<int>(operation().size()), operation().data());
    }
  }
  if (answering()) reset(make_error_code(errc::operation_failed), {});
  else if (how() == outcome::none) settle(outcome::failed);
}

// The task goes as it stands, and the request with it. Nothing when it has ended.
void served_channel::drop() noexcept {
  if (!working_) return;
  part_.unlink();
  working_ = false;
  if (sequel_) std::exchange(sequel_, nullptr).destroy();
  work_.reset();
  if (!request_) put_away_fresh();
  close_books();
  release();
}

// By now the user's task is gone, however it ended.
void served_channel::close_books() {
  { const request gone = std::move(request_); }
  if (entry_) entry_->end(how(), began(), on());
  with()->core()->run_ended();
}

void served_channel::abandon_work() noexcept {
  if (working_ && handler_->options.cancel == operation_options::on_cancel::drop) drop_execution(part_);
}

void serve(peer_connection& on, const proto::event& opened, operation_entry* entry, const ref<handler_record>& handler) {
  const proto::remote_open& what = *opened.open;
  (new served_channel(on, opened.channel, what.kind, what.urgency, entry, handler))->begin(on, opened);
}

void serve(peer_connection& on, const proto::plain_request& asked, operation_entry& entry) {
  (new served_channel(on, asked.channel, proto::channel_kind::request, proto::open_options().urgency, &entry, entry.handler))->begin(on, asked);
}

void drop_execution(execution& one) noexcept {
  if (runs_now(one)) one.doomed = true;
  else one.destroy();
}

}  // namespace hawser::inline v0::detail
