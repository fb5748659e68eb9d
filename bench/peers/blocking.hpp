// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peers/many.hpp"

// The clients of libraries whose sockets send and receive whole messages on the calling thread. A Socket has send(bytes), which waits for
// room, receive(Message&), which waits, and receive_now(Message&), which answers false when there is nothing; a Message has all().
namespace hawser::bench::peers::blocking {

// Taken from the socket before the other things are done.
inline constexpr int batch_max = 1024;

template <class Message, class Socket>
void ask(Socket& with, asker& asks) {
  Message answer;
  while (!asks.is_done()) {
    while (const auto next = asks.next()) with.send(bytes_of(*next));
    with.receive(answer);
    asks.tick();
    asks.take(answer.all());
    for (int i = 1; i < batch_max && with.receive_now(answer); ++i) asks.take(answer.all());
  }
}

template <class Message, class Socket>
void end(Socket& with) {
  with.send(word_of(end_word));
  Message answer;
  with.receive(answer);
  expect_end(answer.all());
}

template <class Message, class Socket>
void pour(Socket& with, const job& of, ledger& books) {
  pourer pours(of.size, books);
  for (bytes next = pours.next(); !next.empty(); next = pours.next()) with.send(next);
  end<Message>(with);
}

// connected() makes a socket.
template <class Message, class Connected>
void connect_again(const job& of, ledger& books, Connected&& connected) {
  asker asks(of, books);
  Message answer;
  while (!asks.is_done()) {
    auto with = connected();
    with.send(bytes_of(asks.only()));
    with.receive(answer);
    asks.tick();
    asks.take(answer.all());
  }
}

template <class Message, class Socket>
void greet(Socket& with, greeter& greets) {
  with.send(bytes_of(greets.next()));
  Message answer;
  with.receive(answer);
  greets.take(answer.all());
}

}  // namespace hawser::bench::peers::blocking
