// SPDX-License-Identifier: Apache-2.0 OR MIT
// The protocol without any engine: proto::connection is a machine of bytes in, events out, bytes to send out, and this program moves the
// bytes itself, over a plain blocking socket pair, one thread on each side. It links hawser::proto and nothing else.
#include <hawser/proto/connection.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace proto = hawser::proto;

namespace {

// The machine has no clock: whoever drives it says what time it is.
hawser::instant now() {
  return hawser::instant(std::chrono::duration_cast<hawser::duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

// What both sides do alike: carry bytes between the machine and the socket.
class driver {
 public:
  driver(proto::role side, int socket, std::string name)
      : socket_(socket), identity_(named(std::move(name))), machine(side, settings_, identity_, pool_, now(), 0x5eed) {}

  // Everything that the machine wants to say.
  bool send_all() {
    for (;;) {
      hawser::chain out(pool_);
      if (machine.poll_transmit(now(), out, 64 * 1024) == 0) return true;
      std::size_t total = 0;
      for (std::size_t i = 0; i < out.count(); ++i) {
        for (std::size_t sent = 0; sent < out[i].size();) {
          const ssize_t n = ::send(socket_, out[i].data() + sent, out[i].size() - sent, MSG_NOSIGNAL);
          if (n <= 0) return false;
          sent += static_cast<std::size_t>(n);
        }
        total += out[i].size();
      }
      machine.handle_sent(now(), total);
    }
  }

  // Waits for bytes. The buffer must stay until poll_event() has answered false.
  void receive() {
    const ssize_t n = ::recv(socket_, buffer_, sizeof buffer_, 0);
    if (n > 0) machine.handle_bytes(now(), {buffer_, static_cast<std::size_t>(n)});
    else machine.handle_end(now());
  }

 private:
  static proto::identity named(std::string name) {
    proto::identity who;
    who.name = std::move(name);
    return who;
  }
  int socket_;
  std::byte buffer_[16 * 1024];
  hawser::buffer_pool pool_;
  proto::settings settings_;
  proto::identity identity_;

 public:
  proto::connection machine;
};

// Lets everybody in, and returns each message with its length in front.
void serve(int socket) {
  driver side(proto::role::server, socket, "server");
  for (bool over = false; !over && side.send_all();) {
    side.receive();
    proto::event event;
    while (side.machine.poll_event(event)) {
      switch (event.kind) {
        case proto::event_kind::hello:
          side.machine.accept(now());                       // or refuse(): the acceptor decides
          break;
        case proto::event_kind::message: {
          const std::string answer = std::to_string(event.bytes.size()) + " " + std::string(hawser::as_text(event.bytes));
          side.machine.consume(event.channel, event.cost);  // its credit goes back to the sender
          if (!side.machine.send(event.channel, hawser::as_bytes(answer))) over = true;
          break;
        }
        case proto::event_kind::closed:
          over = true;
          break;
        default:
          break;
      }
    }
  }
  side.send_all();
}

}  // namespace

int main() {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return 1;
  std::thread server(serve, sockets[1]);

  std::vector<std::string> answers;
  {
    driver side(proto::role::client, sockets[0], "client");
    // No need to wait for the other side's HELLO: small messages may go ahead of it.
    for (const std::string_view text : {"one", "three", "seven"}) {
      if (!side.machine.send(proto::message_channel, hawser::as_bytes(text))) return 1;
    }
    bool over = false;
    while (!over && side.send_all()) {
      side.receive();
      proto::event event;
      while (side.machine.poll_event(event)) {
        if (event.kind == proto::event_kind::message) {
          answers.emplace_back(hawser::as_text(event.bytes));
          side.machine.consume(event.channel, event.cost);
        }
        if (event.kind == proto::event_kind::closed) over = true;
      }
      if (answers.size() == 3) side.machine.go_away(now(), 0, {});       // orderly, nothing to drain
    }
    side.send_all();
  }
  ::shutdown(sockets[0], SHUT_WR);
  server.join();
  ::close(sockets[0]);
  ::close(sockets[1]);

  for (const std::string& answer : answers) std::cout << answer << '\n';
  return answers == std::vector<std::string>{"3 one", "5 three", "5 seven"} ? 0 : 1;
}
