// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"

#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

namespace cli {

void common_options::add_to(CLI::App& command) {
  command.add_flag("--json", json, "print one JSON object a line");
  command.add_option("--wait", wait, "how the loop waits: block, spin (50 us, then sleep) or busy")
      ->capture_default_str()->check(CLI::IsMember({"block", "spin", "busy"}));
  add_engine_option(command, engine);
  command.add_option("--name", name, "the name to present to the other side");
  command.add_option("--application", application, "application tag; must be equal on both sides");
}

hawser::loop_options common_options::loop() const {
  hawser::loop_options options;
  options.wait = wait == "block" ? hawser::wait_policy::block : wait == "busy" ? hawser::wait_policy::busy : hawser::wait_policy::spin_then_block;
  options.engine = engine_named(engine);
  return options;
}

CLI::Option* add_engine_option(CLI::App& command, std::string& engine, const std::vector<std::string>& more) {
  const auto accepted = [](const std::string& wanted) {
    const std::string why = wanted == "uring" ? hawser::uring_refusal() : "";
    return why.empty() ? why : "io_uring refused: " + why;
  };
  std::vector<std::string> known{"auto", "uring", "epoll"};
  known.insert(known.end(), more.begin(), more.end());
  std::string description = "what moves the bytes: auto (uring if the machine accepts it, else epoll), uring or epoll";
  for (const std::string& one : more) description += ", or " + one;
  return command.add_option("--engine", engine, description)
      ->capture_default_str()->check(CLI::IsMember(known))->check(CLI::Validator(accepted, ""));
}

hawser::engine_choice engine_named(const std::string& name) {
  return name == "uring" ? hawser::engine_choice::uring : name == "epoll" ? hawser::engine_choice::epoll : hawser::engine_choice::automatic;
}

CLI::Validator is_endpoint() {
  const auto complaint = [](const std::string& text) {
    const auto parsed = hawser::endpoint::parse(text);
    return parsed ? "" : '"' + text + "\": " + parsed.error().message() + " (" + std::string(hawser::remedy(parsed.error())) + ")";
  };
  return CLI::Validator(complaint, "");
}

hawser::peer_options common_options::peer() const {
  hawser::peer_options options;
  options.name = name;
  options.application = application;
  return options;
}

void tell_failure(const common_options& options, const std::string& what, std::error_code error) {
  const std::string_view advice = hawser::remedy(error);
  std::cerr << "hawser: " << what << ": " << error.message() << (advice.empty() ? "" : " (") << advice << (advice.empty() ? "" : ")") << '\n';
  if (options.json) {
    const nlohmann::json line = {{"error", {{"what", what}, {"category", error.category().name()}, {"code", error.value()}, {"message", error.message()}, {"remedy", advice}}}};
    std::cout << line.dump() << '\n';
  }
}

void on_interrupt(hawser::loop& loop, std::function<void()> work) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals, remote = loop.remote(), work = std::move(work)]() mutable {
    int number = 0;
    sigwait(&signals, &number);
    (void)remote.post(std::move(work));
    sigwait(&signals, &number);
    std::_Exit(128 + number);
  }).detach();
}

}  // namespace cli
