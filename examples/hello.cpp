// SPDX-License-Identifier: Apache-2.0 OR MIT
// Two peers on one loop: one serves an operation, the other calls it over TCP.
#include <hawser/hawser.hpp>
#include <iostream>

hawser::task<> echo(hawser::request& rq) {
    for (;;) {
        auto chunk = co_await rq.read();
        if (!chunk || chunk->empty()) co_return;             // error or end
        if (!co_await rq.write(std::move(*chunk))) co_return;
    }
}

hawser::task<int> ask(hawser::peer& me, hawser::endpoint where) {
    auto there = co_await me.connect(where);
    if (!there) { std::cerr << there.error().message() << '\n'; co_return 1; }
    auto answer = co_await me.call(*there, "echo", hawser::as_bytes("hello"));
    if (!answer) co_return 1;
    std::cout << hawser::as_text(*answer) << '\n';
    co_return 0;
}

int main() {
    hawser::loop loop;
    hawser::peer server(loop, {.name = "server", .listen = "127.0.0.1:0"});
    server.on("echo", echo);
    hawser::peer client(loop, {.name = "client"});
    return loop.run(ask(client, server.local_endpoint()));   // ends with the task, returns its value
}
