// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <memory>

namespace cli {
namespace {

struct echo_options : common_options {
  std::vector<std::string> listen;
};

hawser::task<> answer(hawser::request& rq) {
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk || chunk->empty()) co_return;
    if (!co_await rq.write(std::move(*chunk))) co_return;
  }
}

class narrator final : public hawser::peer_hooks {
 public:
  explicit narrator(bool json) : json_(json) {}
  void connected(hawser::connection& with) override { tell("connected", with, {}); }
  void disconnected(hawser::connection& with, std::error_code reason) override { tell("disconnected", with, reason); }

 private:
  void tell(const char* event, const hawser::connection& with, std::error_code reason) const {
    if (json_) {
      nlohmann::json line = {{"event", event}, {"connection", with.number()}, {"name", with.name()}, {"remote", with.remote_endpoint().text()}};
      if (reason) line["reason"] = reason.message();
      std::cout << line.dump() << std::endl;
    } else {
      std::cout << event << " #" << with.number() << ' ' << with.remote_endpoint().text() << ' ' << with.name();
      if (reason) std::cout << ": " << reason.message();
      std::cout << std::endl;
    }
  }
  bool json_;
};

hawser::task<int> serve(hawser::loop& loop, const echo_options& options) {
  hawser::event interrupted(loop);
  on_interrupt(loop, [&interrupted] { interrupted.set(); });      // before anybody is told that we listen
  narrator events(options.json);
  hawser::peer_options settings = options.peer();
  settings.hooks = &events;
  hawser::peer server(loop, std::move(settings));
  server.on("echo", answer);
  server.on_message([](hawser::connection& from, hawser::byte_view message) { (void)from.send(message); });
  for (const std::string& where : options.listen) {
    const auto bound = server.listen(where);
    if (!bound) {
      tell_failure(options, "cannot listen on " + where, bound.error());
      co_return unreachable;
    }
    if (options.json) std::cout << nlohmann::json{{"event", "listening"}, {"endpoint", bound->text()}}.dump() << std::endl;
    else std::cout << "listening on " << bound->text() << std::endl;
  }
  co_await interrupted.wait();
  co_await server.stop();
  co_return succeeded;
}

}  // namespace

void add_echo(CLI::App& application, int& outcome) {
  auto options = std::make_shared<echo_options>();
  CLI::App* command = application.add_subcommand("echo", "Serve: echo every message and every request to the operation 'echo'");
  command->add_option("--listen,-l", options->listen, "where to listen: 127.0.0.1:7000, [::1]:7000, :7000, unix:/path; may be given several times")
      ->required()->check(is_endpoint());
  options->add_to(*command);
  command->footer("Ends orderly at SIGINT or SIGTERM.\nExamples:\n  hawser echo --listen 127.0.0.1:7000\n  hawser echo --listen :7000 --listen unix:/run/echo.sock --json");
  command->callback([options, &outcome] {
    hawser::loop loop(options->loop());
    outcome = loop.run(serve(loop, *options));
  });
}

}  // namespace cli
