// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"
#include "input.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

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
  std::error_code input_error, output_error;      // of the files here
};

hawser::task<> send_body(hawser::outgoing_request& rq, input_file* input, outcome_of_call& result) {
  while (input) {
    const hawser::byte_view block = co_await input->read();
    if (block.empty()) break;
    const auto written = co_await rq.write(block);
    if (!written) co_return;                      // the reader's side tells why
    result.bytes_sent += block.size();
  }
  if (input && input->error()) {
    result.input_error = input->error();
    rq.cancel();
    co_return;
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
    const bool over = chunk->empty();
    if (over ? std::fflush(out) != 0 : std::fwrite(chunk->data(), 1, chunk->size(), out) != chunk->size()) {
      result.output_error = file_error();
      rq.cancel();
      break;
    }
    if (over) break;
    result.bytes_received += chunk->size();
  }
}

// "key=value" as given on the command line.
hawser::header split(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string_view all(text);
  return {all.substr(0, equals), all.substr(equals + 1)};
}

// What the parser says of a header that cannot be sent; empty: nothing.
std::string complaint_about_header(const std::string& text) {
  const std::size_t key_bytes = text.find('=');
  return key_bytes == std::string::npos || key_bytes == 0 || key_bytes > 255 ? '"' + text + "\" is not key=value with a key of 1-255 bytes" : "";
}

int tell_local(const call_command& options, const std::string& what, std::error_code error) {
  tell_failure(options, what, error);
  return wrong_usage;
}

hawser::task<outcome_of_call> exchange(hawser::peer& me, const hawser::connection& there, const call_command& options, input_file* input, std::FILE* out) {
  std::vector<hawser::header> headers;
  for (const std::string& text : options.headers) headers.push_back(split(text));
  hawser::call_options settings{.headers = headers};
  if (options.deadline_s > 0) settings.deadline = std::chrono::duration_cast<hawser::duration>(std::chrono::duration<double>(options.deadline_s));
  outcome_of_call result;
  auto rq = me.start(there, options.operation, settings);
  if (!rq) {
    result.error = rq.error();
    co_return result;
  }
  hawser::scope both(me.home());
  both.spawn(send_body(*rq, input, result));
  both.spawn(receive_answer(*rq, out, result));
  co_await both.join();
  co_return result;
}

hawser::task<int> call(hawser::loop& loop, const call_command& options) {
  // The files first: what is wrong with them is wrong whether or not anybody listens.
  std::optional<input_file> input;
  if (!options.in.empty()) input.emplace(loop, options.in);
  if (input && input->error()) co_return tell_local(options, "cannot read " + options.in, input->error());
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(options.out == "-" ? nullptr : std::fopen(options.out.c_str(), "wb"), &std::fclose);
  if (options.out != "-" && !file) co_return tell_local(options, "cannot write " + options.out, file_error());

  hawser::peer me(loop, options.peer());
  auto there = co_await me.connect(options.where);
  if (!there) {
    tell_failure(options, "cannot connect to " + options.where, there.error());
    co_return unreachable;
  }
  const auto start = std::chrono::steady_clock::now();
  const outcome_of_call result = co_await exchange(me, *there, options, input ? &*input : nullptr, file ? file.get() : stdout);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  co_await me.stop(goodbye_max);
  if (result.input_error) co_return tell_local(options, "cannot read " + options.in, result.input_error);
  if (result.output_error) co_return tell_local(options, "cannot write the answer", result.output_error);
  if (result.error) {
    tell_failure(options, options.operation, result.error);
    co_return result.error == hawser::errc::connection_lost ? unreachable : answered_with_error;
  }
  if (options.json) {
    const nlohmann::json line = {{"operation", options.operation}, {"bytes_sent", result.bytes_sent}, {"bytes_received", result.bytes_received}, {"seconds", seconds}};
    (file ? std::cout : std::cerr) << line.dump() << '\n';
  }
  co_return succeeded;
}

}  // namespace

void add_call(CLI::App& application, int& outcome) {
  auto options = std::make_shared<call_command>();
  CLI::App* command = application.add_subcommand("call", "Call an operation of another peer: stream a body there and the answer back");
  command->add_option("where", options->where, "the peer: 127.0.0.1:7000, host:7000, unix:/path")->required()->check(is_endpoint());
  command->add_option("operation", options->operation, "the operation's name")->required();
  command->add_option("--in", options->in, "send this file as the body; - reads standard input")->type_name("FILE");
  command->add_option("--out", options->out, "write the answer to this file")->type_name("FILE")->capture_default_str();
  command->add_option("--header,-H", options->headers, "key=value, sent with the request; may be given several times")
      ->check(CLI::Validator(complaint_about_header, ""));
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
