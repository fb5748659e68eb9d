// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"
#include "input.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>
#include <memory>

namespace cli {
namespace {

struct call_command : common_options {
  std::string where, operation, in, out = "-";
  std::vector<std::string> headers;
  double deadline_s = 0;
};

struct outcome_of_call {
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::error_code error;
  std::string local_failure;          // a file here could not be read or written
};

hawser::task<> send_body(hawser::loop& loop, hawser::outgoing_request& rq, const call_command& options, outcome_of_call& result) {
  if (!options.in.empty()) {
    input_file input(loop, options.in);
    if (!input.opened()) {
      result.local_failure = "cannot read " + options.in;
      rq.cancel();
      co_return;
    }
    for (;;) {
      const hawser::byte_view block = co_await input.read();
      if (block.empty()) break;
      if (!co_await rq.write(block)) co_return;      // the reader's side tells why
      result.bytes_sent += block.size();
    }
    if (input.failed()) {
      result.local_failure = "cannot read " + options.in;
      rq.cancel();
      co_return;
    }
  }
  rq.finish();
}

hawser::task<> receive_answer(hawser::outgoing_request& rq, std::FILE* out, outcome_of_call& result) {
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk) {
      result.error = chunk.error();
      break;
    }
    if (chunk->empty()) break;
    if (std::fwrite(chunk->data(), 1, chunk->size(), out) != chunk->size()) {
      result.local_failure = "cannot write the answer";
      rq.cancel();
      break;
    }
    result.bytes_received += chunk->size();
  }
}

// "key=value" as given on the command line.
hawser::header split(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string_view all(text);
  return {all.substr(0, equals), equals == std::string::npos ? std::string_view() : all.substr(equals + 1)};
}

hawser::task<int> call(hawser::loop& loop, const call_command& options) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(options.out == "-" ? nullptr : std::fopen(options.out.c_str(), "wb"), &std::fclose);
  if (options.out != "-" && !file) {
    std::cerr << "hawser: cannot write " << options.out << '\n';
    co_return wrong_usage;
  }
  hawser::peer me(loop, options.peer());
  auto there = co_await me.connect(options.where);
  if (!there) {
    tell_failure(options, "cannot connect to " + options.where, there.error());
    co_return unreachable;
  }
  std::vector<hawser::header> headers;
  for (const std::string& text : options.headers) headers.push_back(split(text));
  hawser::call_options settings{.headers = headers};
  if (options.deadline_s > 0) settings.deadline = std::chrono::duration_cast<hawser::duration>(std::chrono::duration<double>(options.deadline_s));

  outcome_of_call result;
  const auto start = std::chrono::steady_clock::now();
  auto rq = me.start(*there, options.operation, settings);
  if (rq) {
    hawser::scope both(loop);
    both.spawn(send_body(loop, *rq, options, result));
    both.spawn(receive_answer(*rq, file ? file.get() : stdout, result));
    co_await both.join();
  } else {
    result.error = rq.error();
  }
  std::fflush(file ? file.get() : stdout);
  if (!result.local_failure.empty()) {
    std::cerr << "hawser: " << result.local_failure << '\n';
    co_return wrong_usage;
  }
  if (result.error) {
    tell_failure(options, options.operation, result.error);
    co_return result.error == hawser::errc::connection_lost ? unreachable : answered_with_error;
  }
  if (options.json) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    (file ? std::cout : std::cerr) << nlohmann::json{{"operation", options.operation}, {"bytes_sent", result.bytes_sent}, {"bytes_received", result.bytes_received}, {"seconds", seconds}}.dump() << '\n';
  }
  co_return succeeded;
}

}  // namespace

void add_call(CLI::App& application, int& outcome) {
  auto options = std::make_shared<call_command>();
  CLI::App* command = application.add_subcommand("call", "Call an operation of another peer: stream a body there and the answer back");
  command->add_option("where", options->where, "the peer: 127.0.0.1:7000, host:7000, unix:/path")->required();
  command->add_option("operation", options->operation, "the operation's name")->required();
  command->add_option("--in", options->in, "send this file as the body; - reads standard input")->type_name("FILE");
  command->add_option("--out", options->out, "write the answer to this file")->type_name("FILE")->capture_default_str();
  command->add_option("--header,-H", options->headers, "key=value, sent with the request; may be given several times");
  command->add_option("--deadline", options->deadline_s, "give up after this many seconds")->check(CLI::PositiveNumber);
  options->add_to(*command);
  command->footer("With --json the summary goes to standard output when --out names a file, else to standard error.\n"
                  "Examples:\n  hawser call 127.0.0.1:7000 echo --in README.md --out copy.md\n  date | hawser call 127.0.0.1:7000 echo --in -");
  command->callback([options, &outcome] {
    hawser::loop loop(options->loop());
    outcome = loop.run(call(loop, *options));
  });
}

}  // namespace cli
