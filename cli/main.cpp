// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"

#include <csignal>

int main(int count, char** arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App application("hawser lays many strands into one TCP connection: messages, streams, requests.", "hawser");
  application.set_version_flag("--version", "hawser " HAWSER_VERSION);
  application.require_subcommand(1);
  application.footer("Exit codes: 0 success, 1 the other side answered an error, 2 wrong usage or a file that cannot be read or written, 3 could not listen, connect or stay connected.\n"
                     "HAWSER_LOG=debug or HAWSER_LOG=io=debug,peer=info prints what happens inside.\n\n"
                     "Examples:\n"
                     "  hawser echo --listen 127.0.0.1:7000\n"
                     "  hawser ping 127.0.0.1:7000\n"
                     "  hawser call 127.0.0.1:7000 echo --in README.md");
  int outcome = cli::succeeded;
  cli::add_echo(application, outcome);
  cli::add_ping(application, outcome);
  cli::add_call(application, outcome);
#ifdef HAWSER_WITH_BENCH
  cli::add_bench(application, outcome);
#endif
  cli::add_completion(application);
  cli::add_man(application);
  try {
    application.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return application.exit(error) == 0 ? cli::succeeded : cli::wrong_usage;
  }
  return outcome;
}
