// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/engines.hpp"

#include <hawser/testing/network.hpp>

namespace hawser::conformance {
namespace {

// Two programs on one simulated host, so that unix paths reach from one to the other; TCP goes over its address and loopback.
class sim_world final : public world {
 public:
  explicit sim_world(const testing::link_options& loopback, const loop_options& options)
      : net_(with(loopback)), server_(net_.make_host("here", {.loop = options})), client_(net_.another_loop("here", options)) {}

  loop& server() override { return server_; }
  loop& client() override { return client_; }
  bool drive(const std::function<bool()>& done, duration limit) override { return net_.run_until(done, limit); }

  endpoint vacant(transport over) override {
    if (over == transport::tcp) return "10.0.0.1:0";
    return endpoint::unix_path("/simulated/" + std::to_string(++paths_));
  }
  endpoint refusing(transport over) override { return over == transport::tcp ? endpoint("10.0.0.1:1") : vacant(over); }
  // Nothing gets through the host's own loopback any more.
  endpoint silent(transport over) override {
    net_.cut("here", "here");
    return refusing(over);
  }

 private:
  static testing::network_options with(const testing::link_options& loopback) {
    testing::network_options options;
    options.loopback = loopback;
    return options;
  }
  testing::network net_;
  loop& server_;
  loop& client_;
  int paths_ = 0;
};

engine_under_test simulated(std::string name, const testing::link_options& loopback) {
  return {
      .name = std::move(name),
      .transports = {transport::tcp, transport::unix_path},
      .make = [loopback](const loop_options& options) -> std::unique_ptr<world> { return std::make_unique<sim_world>(loopback, options); },
      .kernel_buffers = true,
      .silence = true,
  };
}

using namespace std::chrono_literals;

const registration plain(simulated("sim", {.lag = 5us}));
// The rules hold as well where everything comes late, slowly and in pieces.
const registration rough(simulated("sim_rough", {.lag = 300us, .jitter = 2ms, .bytes_per_second = 50'000'000, .partial_delivery = true}));

}  // namespace
}  // namespace hawser::conformance
