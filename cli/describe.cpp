// SPDX-License-Identifier: Apache-2.0 OR MIT
// `hawser completion` and `hawser man`: for the build, which installs what they write. Not shown in --help.
#include "command.hpp"
#include "definition.hpp"

#include <iostream>

namespace cli {

void add_completion(CLI::App& application) {
  CLI::App* command = application.add_subcommand("completion", "Write a completion script for a shell")->group("");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer("Examples:\n  source <(hawser completion bash)");
  command->callback([&application, shell] {
    const auto write = *shell == "bash" ? write_bash_completion : *shell == "zsh" ? write_zsh_completion
                                                                                  : write_fish_completion;
    write(std::cout, definition_of(application));
  });
}

void add_man(CLI::App& application) {
  CLI::App* command = application.add_subcommand("man", "Write the manual page")->group("");
  command->footer("Examples:\n  hawser man | man -l -");
  command->callback([&application] { write_manual(std::cout, definition_of(application)); });
}

}  // namespace cli
