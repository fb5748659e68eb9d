// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>
#include <hawser/io/endpoint.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

// A stranger at the socket: frames made by hand from spec/wire.md, without any of hawser's own code, over a plain TCP socket.

namespace hawser::peer_test {

namespace wire {

inline constexpr std::uint8_t more = 1, fin = 2, rel = 4;

inline void put(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
inline std::string u32(std::uint64_t value) {
  std::string out;
  put(out, value, 4);
  return out;
}

// Section 2. `declared` overrides the length that the header tells.
inline std::string frame(unsigned type, unsigned flags, std::uint32_t channel, std::string_view payload,
                         std::optional<std::uint32_t> declared = {}) {
  const std::uint32_t length = declared.value_or(static_cast<std::uint32_t>(payload.size()));
  const bool extended = channel > 4'095 || length > 4'095;
  std::string out;
  put(out, type | flags << 4 | (extended ? 0x80u : 0u) | (channel & 0xfff) << 8 | (length & 0xfff) << 20, 4);
  if (extended) put(out, (channel >> 12 & 0xffff) | (length >> 12 & 0xffff) << 16, 4);
  out.append(payload);
  return out;
}

// A prefix varint below 2^29.
inline std::string pv(std::uint32_t value) {
  std::string out;
  if (value < 0x80) {
    out.push_back(static_cast<char>(value));
  } else if (value < 0x4000) {
    out.push_back(static_cast<char>(0x80 | value >> 8));
    out.push_back(static_cast<char>(value));
  } else {
    out.push_back(static_cast<char>(0xc0 | value >> 24));
    for (int shift = 16; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
  }
  return out;
}
inline std::string tlv(std::uint32_t type, std::string_view value) {
  return pv(type) + pv(static_cast<std::uint32_t>(value.size())) + std::string(value);
}

inline std::string preface(std::uint8_t max_version = 1, std::uint8_t min_version = 1) {
  return {'\xd7', 'H', 'W', 'S', static_cast<char>(max_version), static_cast<char>(min_version), 0, 0};
}
inline std::string peer_id() { return tlv(11, std::string(16, '\x5a')); }
inline std::string hello(std::string_view tlvs) { return frame(9, 0, 0, tlvs); }
inline std::string named(std::string_view name) { return preface() + hello(peer_id() + tlv(15, name)); }
inline std::string message(std::string_view text) { return frame(1, 0, 1, text); }

struct parsed_frame {
  unsigned type = 0, flags = 0;
  std::uint32_t channel = 0;
  std::string payload;
  std::uint32_t code() const { return payload.size() < 4 ? 0 : load_le<std::uint32_t>(as_bytes(payload).data()); }
};

// Takes one whole frame off the front.
inline std::optional<parsed_frame> take_frame(std::string_view& bytes) {
  if (bytes.size() < 4) return std::nullopt;
  const auto word = load_le<std::uint32_t>(as_bytes(bytes).data());
  parsed_frame out{word & 15, word >> 4 & 7, word >> 8 & 0xfff, {}};
  std::uint32_t length = word >> 20;
  std::size_t header = 4;
  if (word & 0x80) {
    if (bytes.size() < 8) return std::nullopt;
    const auto second = load_le<std::uint32_t>(as_bytes(bytes).data() + 4);
    out.channel |= (second & 0xffff) << 12;
    length |= (second >> 16) << 12;
    header = 8;
  }
  if (bytes.size() < header + length) return std::nullopt;
  out.payload = bytes.substr(header, length);
  bytes.remove_prefix(header + length);
  return out;
}
inline std::optional<parsed_frame> take_frame(std::string& bytes) {
  std::string_view rest = bytes;
  std::optional<parsed_frame> out = take_frame(rest);
  if (out) bytes.erase(0, bytes.size() - rest.size());
  return out;
}

}  // namespace wire

// A TCP connection to a loopback port; never blocks longer than a poll.
class raw_socket {
 public:
  explicit raw_socket(const endpoint& where) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(where.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      throw std::system_error(errno, std::system_category(), "raw_socket");
    }
    const int at_once = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  }
  ~raw_socket() { close(); }
  raw_socket(const raw_socket&) = delete;
  raw_socket& operator=(const raw_socket&) = delete;

  // As much as the kernel takes; small writes are taken whole.
  std::size_t send(std::string_view bytes) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  // What has arrived by now goes to the end of received(); false once the other side has ended.
  bool receive() {
    char buffer[65536];
    for (;;) {
      const ssize_t got = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got > 0) received_.append(buffer, static_cast<std::size_t>(got));
      else if (got == 0 || (errno != EAGAIN && errno != EINTR)) ended_ = true;
      if (got <= 0) return !ended_;
    }
  }
  std::string& received() noexcept { return received_; }
  bool ended() {
    receive();
    return ended_;
  }
  // The next frame; the preface that the acceptor sends first is taken off.
  std::optional<wire::parsed_frame> next_frame() {
    receive();
    if (!greeted_) {
      if (received_.size() < 8) return std::nullopt;
      received_.erase(0, 8);
      greeted_ = true;
    }
    return wire::take_frame(received_);
  }
  // The code of a GOAWAY, once it has come; frames before it are skipped.
  std::optional<std::uint32_t> farewell() {
    while (auto one = next_frame()) {
      if (one->type == 8) return one->code();
    }
    return std::nullopt;
  }
  void finish_sending() { ::shutdown(fd_, SHUT_WR); }
  // An RST.
  void abort() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  std::string received_;
  bool ended_ = false;
  bool greeted_ = false;
};

}  // namespace hawser::peer_test
