// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder.hpp"
#include "script_engine.hpp"

#include <hawser/link/listener.hpp>

#include <set>

namespace hawser::test {
namespace {

using namespace std::chrono_literals;

class listener_test : public ::testing::Test, public listener_events {
 protected:
  listener_test() {
    auto owned = std::make_unique<script_engine>();
    engine_ = owned.get();
    loop_.emplace(std::move(owned));
  }
  // What the kernel would do.
  io::socket_id arrive(const char* from = "10.0.0.9:5") {
    const io::socket_id id = engine_->accepted();
    engine_->at({}, [this, id, from] { engine_->listeners.back().first->on_accept(id, from); });
    loop_->poll();
    return id;
  }
  bool refused(io::socket_id id) const { return engine_->sockets[id.index].aborted; }

  bool accepts(const endpoint& remote) override { return !vetoed_.contains(remote.text()); }
  void on_connection(io::socket_id id, const endpoint&, admission place) override {
    kept_.push_back(id);
    places_.push_back(std::move(place));
    if (on_connection_) on_connection_();
  }
  void on_listener_error(const endpoint& where, std::error_code reason) override { errors_.emplace_back(where.text(), reason); }
  void on_listening(const endpoint& local) override { heard_.push_back(local); }

  script_engine* engine_;
  std::optional<loop> loop_;
  std::vector<io::socket_id> kept_;
  std::vector<admission> places_;
  std::set<std::string> vetoed_;
  std::vector<std::pair<std::string, std::error_code>> errors_;
  std::vector<endpoint> heard_;
  std::function<void()> on_connection_;
};

TEST_F(listener_test, an_admission_is_8_bytes) { EXPECT_EQ(sizeof(admission), sizeof(void*)); }

TEST_F(listener_test, vetoes_by_address_before_the_owner_hears_of_it) {
  listener here(*loop_, "10.0.0.1:7000", {}, *this);
  vetoed_.insert("10.0.0.66:1");
  EXPECT_TRUE(refused(arrive("10.0.0.66:1")));
  EXPECT_FALSE(refused(arrive("10.0.0.67:1")));
  EXPECT_EQ(kept_.size(), 1u);
  EXPECT_EQ(here.stats().accepted, 1u);
  EXPECT_EQ(here.stats().refused, 1u);
}

TEST_F(listener_test, refuses_beyond_connections_max_until_one_leaves) {
  listener_options options;
  options.connections_max = 2;
  listener here(*loop_, "10.0.0.1:7000", options, *this);
  EXPECT_FALSE(refused(arrive()));
  EXPECT_FALSE(refused(arrive()));
  EXPECT_TRUE(refused(arrive()));
  EXPECT_EQ(here.stats().refused_full, 1u);
  places_.pop_back();
  EXPECT_FALSE(refused(arrive()));
  EXPECT_EQ(here.stats().connections, 2u);
}

TEST_F(listener_test, refuses_beyond_the_half_open_limit_until_one_is_established) {
  listener_options options;
  options.half_open_max = 1;
  listener here(*loop_, "10.0.0.1:7000", options, *this);
  EXPECT_FALSE(refused(arrive()));
  EXPECT_TRUE(refused(arrive()));
  places_[0].established();
  places_[0].established();
  EXPECT_EQ(here.stats().half_open, 0u);
  EXPECT_FALSE(refused(arrive()));
  EXPECT_EQ(here.stats().connections, 2u);
  places_.clear();
  EXPECT_EQ(here.stats().connections, 0u);
  EXPECT_EQ(here.stats().half_open, 0u);
}

TEST_F(listener_test, admissions_move_and_outlive_the_listener) {
  auto here = std::make_unique<listener>(*loop_, "10.0.0.1:7000", listener_options(), *this);
  arrive();
  arrive();
  admission moved = std::move(places_[0]);
  places_[0] = std::move(moved);
  EXPECT_EQ(here->stats().connections, 2u);
  here.reset();
  EXPECT_FALSE(engine_->listeners.back().second);
  EXPECT_FALSE(engine_->sockets[kept_[0].index].closed) << "connections survive";
  places_[0].established();
  places_.clear();   // the last one frees the count: ASan sees if not
}

TEST_F(listener_test, may_be_stopped_and_destroyed_by_its_own_callback) {
  auto here = std::make_unique<listener>(*loop_, "10.0.0.1:7000", listener_options(), *this);
  on_connection_ = [&] { here->stop(); };
  arrive();
  EXPECT_FALSE(here->listening());
  EXPECT_TRUE(here->start());
  EXPECT_TRUE(here->listening());
  on_connection_ = [&] { here.reset(); };
  arrive();
  EXPECT_FALSE(here);
  EXPECT_EQ(kept_.size(), 2u);
}

TEST_F(listener_test, a_host_name_is_resolved_and_each_of_its_addresses_listened_on) {
  engine_->names["me.example"] = {std::vector<endpoint>{"10.0.0.1:7000", "[2001:db8::1]:7000"}, 5ms};
  listener here(*loop_, "me.example:7000", {}, *this);
  EXPECT_FALSE(here.listening());
  EXPECT_FALSE(here.error());
  loop_->run_once(10ms);
  loop_->run_once(10ms);
  EXPECT_TRUE(here.listening());
  EXPECT_EQ(here.local_endpoints().size(), 2u);
  EXPECT_EQ(heard_.size(), 1u);
}

TEST_F(listener_test, a_host_name_that_does_not_resolve_is_told_and_kept_as_error) {
  listener here(*loop_, "nowhere.example:7000", {}, *this);
  loop_->run_once(10ms);
  EXPECT_EQ(here.error(), errc::name_not_found);
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_EQ(errors_[0].first, "nowhere.example:7000");
  EXPECT_EQ(errors_[0].second, errc::name_not_found);
  engine_->names["nowhere.example"] = {std::vector<endpoint>{"10.0.0.1:7000"}, 0ms};
  EXPECT_TRUE(here.start()) << "may be tried again";
  loop_->run_once(10ms);
  EXPECT_TRUE(here.listening());
  EXPECT_FALSE(here.error());
}

TEST_F(listener_test, text_that_is_no_endpoint_is_address_invalid_and_the_others_listen) {
  const endpoint both[] = {"nonsense", "10.0.0.1:7000"};
  listener here(*loop_, both, {}, *this);
  EXPECT_EQ(here.error(), errc::address_invalid);
  EXPECT_TRUE(here.listening());
  EXPECT_EQ(here.local_endpoint(), endpoint("10.0.0.1:7000"));
}

TEST_F(listener_test, a_stumbling_accept_is_told) {
  listener here(*loop_, "10.0.0.1:7000", {}, *this);
  engine_->at({}, [&] { engine_->listeners.back().first->on_accept_error(make_error_code(errc::too_many_descriptors)); });
  loop_->poll();
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_EQ(errors_[0].second, errc::too_many_descriptors);
  EXPECT_TRUE(here.listening());
}

}  // namespace
}  // namespace hawser::test
