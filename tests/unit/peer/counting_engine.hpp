// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/engine.hpp>

#include "io/make_engine.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace hawser::peer_test {

// The machine's engine, with its sends counted.
class counting_engine final : public io::engine {
 public:
  std::uint64_t sends() const noexcept { return sends_; }

  std::string_view name() const noexcept override { return real_->name(); }
  void use_buffers(buffer_pool& buffers) override { real_->use_buffers(buffers); }
  instant now() noexcept override { return real_->now(); }
  std::size_t turn(instant until, instant& now) override { return real_->turn(until, now); }
  void wake() noexcept override { real_->wake(); }
  int descriptor() const noexcept override { return real_->descriptor(); }
  bool pending() const noexcept override { return real_->pending(); }
  result<io::listener_id> listen(const endpoint& where, const io::listen_options& options, const io::socket_options& accepted,
                                 io::listener_events& events) override {
    return real_->listen(where, options, accepted, events);
  }
  endpoint local_endpoint(io::listener_id id) const override { return real_->local_endpoint(id); }
  void close(io::listener_id id) override { real_->close(id); }
  void start(io::socket_id id, io::socket_events& events) override { real_->start(id, events); }
  result<io::socket_id> connect(const endpoint& where, const io::socket_options& options, io::socket_events& events) override {
    return real_->connect(where, options, events);
  }
  void send(io::socket_id id, chain& bytes) override {
    ++sends_;
    real_->send(id, bytes);
  }
  void pause_receiving(io::socket_id id) override { real_->pause_receiving(id); }
  void resume_receiving(io::socket_id id) override { real_->resume_receiving(id); }
  void shutdown_sending(io::socket_id id) override { real_->shutdown_sending(id); }
  void close(io::socket_id id) override { real_->close(id); }
  void abort(io::socket_id id) override { real_->abort(id); }
  void hand_over(io::socket_id id, io::socket_events& events) override { real_->hand_over(id, events); }
  endpoint local_endpoint(io::socket_id id) const override { return real_->local_endpoint(id); }
  endpoint remote_endpoint(io::socket_id id) const override { return real_->remote_endpoint(id); }
  std::optional<io::name_answer> look_up(const endpoint& host) override { return real_->look_up(host); }
  std::size_t open_sockets() const noexcept override { return real_->open_sockets(); }

 private:
  std::unique_ptr<io::engine> real_ = std::move(io::make_engine(engine_choice::automatic).value());
  std::uint64_t sends_ = 0;
};

}  // namespace hawser::peer_test
