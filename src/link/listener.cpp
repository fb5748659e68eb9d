// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/log.hpp>
#include <hawser/io/resolver.hpp>
#include <hawser/link/listener.hpp>

#include <vector>

namespace hawser::inline v0 {

// ---- the count of connections, which outlives the listener ----

struct detail::admissions {
  std::size_t connections = 0;
  std::size_t half_open = 0;
  bool listener_gone = false;

  admission enter() noexcept {
    ++connections;
    ++half_open;
    return admission(*this);
  }
  void leave(bool was_half_open) noexcept {
    --connections;
    if (was_half_open) --half_open;
    release();
  }
  void release() noexcept {
    if (listener_gone && connections == 0) delete this;
  }
};

namespace {
constexpr std::uintptr_t half_open_bit = 1;
detail::admissions* counted_in(std::uintptr_t packed) noexcept { return reinterpret_cast<detail::admissions*>(packed & ~half_open_bit); }
}  // namespace

admission::admission(detail::admissions& in) noexcept : counted_(reinterpret_cast<std::uintptr_t>(&in) | half_open_bit) {}

void admission::established() noexcept {
  if (!(counted_ & half_open_bit)) return;
  counted_ &= ~half_open_bit;
  --counted_in(counted_)->half_open;
}

void admission::leave() noexcept {
  if (counted_ == 0) return;
  const std::uintptr_t was = std::exchange(counted_, 0);
  counted_in(was)->leave((was & half_open_bit) != 0);
}

// ---- the listener ----

struct listener::parts {
  // One endpoint as it was given; a host name becomes several listening sockets.
  struct source final : io::listener_events {
    source(parts& in, const endpoint& given) : of(&in), where(given) {}
    void on_accept(io::socket_id id, const endpoint& remote) override { of->accept(id, remote); }
    void on_accept_error(std::error_code reason) override { of->events->on_listener_error(where, reason); }
    parts* of;
    endpoint where;
    std::vector<io::listener_id> ids;
    io::resolution lookup;
    bool resolving = false;
    std::error_code error;
  };

  parts(loop& loop_, const listener_options& options_, hawser::listener_events& events_)
      : on(&loop_), options(options_), events(&events_), counted(new detail::admissions) {}
  ~parts() {
    stop();
    counted->listener_gone = true;
    counted->release();
  }

  void accept(io::socket_id id, const endpoint& remote);
  void start(source& from);
  std::error_code listen(source& from, const endpoint& address);
  void resolve(source& from);
  void stop();

  loop* on;
  listener_options options;
  hawser::listener_events* events;
  detail::admissions* counted;
  std::vector<std::unique_ptr<source>> sources;
  listener_statistics statistics;
};

void listener::parts::accept(io::socket_id id, const endpoint& remote) {
  if (counted->connections >= options.connections_max || counted->half_open >= options.half_open_max) {
    ++statistics.refused_full;
    on->engine().abort(id);
    return;
  }
  if (!events->accepts(remote)) {
    ++statistics.refused;
    on->engine().abort(id);
    return;
  }
  ++statistics.accepted;
  events->on_connection(id, remote, counted->enter());   // may destroy this
}

void listener::parts::start(source& from) {
  if (!from.ids.empty() || from.resolving) return;
  from.error = {};
  switch (from.where.kind()) {
    case endpoint::family::none: from.error = make_error_code(errc::address_invalid); break;
    case endpoint::family::host_name: resolve(from); break;
    default: from.error = listen(from, from.where);
  }
}

std::error_code listener::parts::listen(source& from, const endpoint& address) {
  const result<io::listener_id> id = on->engine().listen(address, options.listen, options.socket, from);
  if (!id) {
    HAWSER_LOG(log_level::error, log_part::link, {}, 0, "cannot listen on %s: %s", address.text().c_str(), id.error().message().c_str());
    return id.error();
  }
  from.ids.push_back(*id);
  return {};
}

void listener::parts::resolve(source& from) {
  from.resolving = true;
  from.lookup = io::resolve(*on, from.where, options.resolve_timeout, [this, &from](result<std::vector<endpoint>> found) {
    from.resolving = false;
    if (!found) {
      from.error = found.error();
    } else {
      for (const endpoint& address : *found)
        if (const std::error_code error = listen(from, address); error && !from.error) from.error = error;
    }
    // Addresses of a family that this machine lacks do not spoil those that work.
    if (!from.ids.empty()) from.error = {};
    if (from.error) events->on_listener_error(from.where, from.error);
    else events->on_listening(on->engine().local_endpoint(from.ids.front()));
  });
}

void listener::parts::stop() {
  for (const auto& from : sources) {
    from->lookup = {};
    from->resolving = false;
    for (const io::listener_id id : from->ids) on->engine().close(id);
    from->ids.clear();
  }
}

listener::listener(loop& on, std::span<const endpoint> where, const listener_options& options, listener_events& events)
    : parts_(std::make_unique<parts>(on, options, events)) {
  for (const endpoint& one : where) parts_->sources.push_back(std::make_unique<parts::source>(*parts_, one));
  static_cast<void>(start());
}
listener::~listener() = default;

result<> listener::start() {
  for (const auto& from : parts_->sources) parts_->start(*from);
  if (const std::error_code first = error()) return failure(first);
  return {};
}

void listener::stop() { parts_->stop(); }

bool listener::listening() const noexcept {
  for (const auto& from : parts_->sources)
    if (!from->ids.empty()) return true;
  return false;
}

std::error_code listener::error() const noexcept {
  for (const auto& from : parts_->sources)
    if (from->error) return from->error;
  return {};
}

endpoint listener::local_endpoint() const {
  for (const auto& from : parts_->sources)
    if (!from->ids.empty()) return parts_->on->engine().local_endpoint(from->ids.front());
  return {};
}

std::vector<endpoint> listener::local_endpoints() const {
  std::vector<endpoint> all;
  for (const auto& from : parts_->sources)
    for (const io::listener_id id : from->ids) all.push_back(parts_->on->engine().local_endpoint(id));
  return all;
}

listener_statistics listener::stats() const noexcept {
  listener_statistics now = parts_->statistics;
  now.connections = parts_->counted->connections;
  now.half_open = parts_->counted->half_open;
  return now;
}

}  // namespace hawser::inline v0
