// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/channel_state.hpp"
#include "peer/connection_state.hpp"
#include "peer/core.hpp"

#include <cstdlib>
#include <exception>
#include <string>

// How a handler's task runs: beside its connection, in a frame of its own, which keeps what it stands on.

namespace hawser::inline v0::detail {
namespace {

bool runs_now(const execution& one) noexcept {
  for (const running* at = innermost; at; at = at->outer)
    if (at->root == &one) return true;
  return false;
}

}  // namespace

class handler_run {
 public:
  struct promise_type final : execution {
    handler_run get_return_object() noexcept { return handler_run(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { std::abort(); }     // serving catches what handlers throw
    void destroy() noexcept override { std::coroutine_handle<promise_type>::from_promise(*this).destroy(); }
    // By now the user's task is gone, however it ended: the books are closed here.
    ~promise_type() {
      list_hook::unlink();
      state->set_run(nullptr);
      if (entry) entry->end(state->how(), state->began(), state->on());
      core->run_ended();
    }
    ref<channel_state> state;
    ref<handler_record> handler;
    operation_entry* entry = nullptr;
    ref<peer_core> core;
  };
  std::coroutine_handle<promise_type> coroutine;

 private:
  explicit handler_run(std::coroutine_handle<promise_type> h) noexcept : coroutine(h) {}
};

void drop_execution(execution& one) noexcept {
  if (runs_now(one)) one.doomed = true;
  else one.destroy();
}

// state's handle is the request that lies in this frame.
handler_run channel_state::run_handler(channel_state* state, handler_record* handler) {
  request rq(state);
  bool threw = false;
  std::string text;
  {
    task<> work;
    try {
      work = handler->call(rq);
      if (work) co_await std::move(work);
    } catch (const std::exception& error) {
      threw = true;
      text = error.what();
    } catch (...) {
      threw = true;
    }
  }
  if (rq) state->handler_returned(threw, text);
}

void channel_state::handler_returned(bool threw, std::string_view text) {
  if (threw) {
    if (with_ && with_->core())
      with_->core()->log(log_level::warning, with_->number(), "the handler of '%.*s' threw: %.*s", static_cast<int>(operation_.size()),
                         operation_.data(), static_cast<int>(text.size()), text.data());
    if (!send_done_ && !error_) reset(make_error_code(errc::operation_failed), {});
    else if (outcome_ == outcome::none) settle(outcome::failed);
    return;
  }
  conclude();
}

void channel_state::serve(peer_connection& on, const proto::event& opened, operation_entry* entry, ref<handler_record> handler) {
  peer_core& core = *on.core();
  const proto::remote_open& what = *opened.open;
  const ref<channel_state> state(new channel_state(core.home(), &on, what.kind));
  state->retain();      // the handle's
  channel_state& s = *state;
  s.incoming_ = s.started_ = s.attached_ = s.head_here_ = true;
  s.id_ = opened.channel;
  s.urgency_ = what.urgency;
  s.began_ = core.home().now();
  if (what.deadline) s.deadline_ = after(s.began_, *what.deadline);
  if (entry) {
    s.operation_ = entry->name;
    entry->begin();
  } else if (!what.operation.empty()) {
    s.text_ = core.home().buffers().copy(as_bytes(what.operation));
    s.operation_ = as_text(s.text_.view());
  }
  if (!what.meta.empty()) s.head_ = core.home().buffers().copy(what.meta);
  s.handler_ = handler;
  on.wire()->set_user(s.id_, &s);
  on.channels().push_back(s);

  const auto coroutine = run_handler(&s, handler.get()).coroutine;
  handler_run::promise_type& run = coroutine.promise();
  run.state = state;
  run.handler = std::move(handler);
  run.entry = entry;
  run.core = ref<peer_core>(&core);
  s.run_ = &run;
  core.runs().push_back(run);
  core.run_began();
  proto::event first;
  if (on.wire()->poll_first(first)) s.take_first(first);
  resume(coroutine, &run);
  s.put_away_fresh();
}

}  // namespace hawser::inline v0::detail
