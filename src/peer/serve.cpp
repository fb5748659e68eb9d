// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/channel_state.hpp"
#include "peer/connection_state.hpp"
#include "peer/core.hpp"

#include <cstdlib>
#include <exception>

// How a handler's task runs beside its connection.

namespace hawser::inline v0::detail {
namespace {

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

// A channel that the other side opened, with the handler's task that serves it. Both are one piece of memory: most handlers end in the
// turn in which they begin, and need no more than that and their own frame.
class served_channel final : public channel_state {
 public:
  served_channel(peer_connection& on, const proto::event& opened, operation_entry* entry, ref<handler_record> handler)
      : channel_state(on, opened, entry ? std::string_view(entry->name) : std::string_view()), entry_(entry), handler_(std::move(handler)) {}

  void begin(const proto::event* first);
  void drop() noexcept;

 private:
  struct part final : execution {
    explicit part(served_channel& whole) noexcept : of(whole) {}
    void destroy() noexcept override { of.drop(); }
    served_channel& of;
  };
  static sequel when_done(served_channel* of);
  void abandon_work() noexcept override;
  void start();
  void end();
  void returned();
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

void served_channel::begin(const proto::event* first) {
  retain();      // the handle's, which is request_
  retain();      // the task's, which may outlive its request
  peer_core& core = *with()->core();
  if (entry_) entry_->begin();
  core.runs().push_back(part_);
  core.run_began();
  if (first) take_first(*first);
  start();
  if (first) put_away_fresh();
}

// To its first suspension, which is mostly its end.
void served_channel::start() {
  running here{&part_, innermost};
  innermost = &here;
  try {
    work_ = handler_->call(request_);
    if (work_) work_.start();
  } catch (...) {
    thrown_ = std::current_exception();
  }
  innermost = here.outer;
  if (!work_ || work_.done()) return end();
  if (part_.doomed) return drop();
  sequel_ = when_done(this).coroutine;
  work_.then(sequel_);
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
  if (request_) returned();
  close_books();
  release();
}

void served_channel::returned() {
  if (!thrown_) return conclude();
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

void serve(peer_connection& on, const proto::event& opened, operation_entry* entry, ref<handler_record> handler) {
  const ref<served_channel> made(new served_channel(on, opened, entry, std::move(handler)));
  proto::event first;
  made->begin(on.wire()->poll_first(first) ? &first : nullptr);
}

void drop_execution(execution& one) noexcept {
  if (runs_now(one)) one.doomed = true;
  else one.destroy();
}

}  // namespace hawser::inline v0::detail
