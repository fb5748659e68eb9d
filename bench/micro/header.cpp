// SPDX-License-Identifier: Apache-2.0 OR MIT
// What it costs to find the frames in bytes as a socket delivers them: the fixed header word of HWS/1 against a header of one
// byte and two prefix varints, read byte by byte and eight bytes at once. The bytes come through a loopback TCP connection into
// one 64 KiB buffer; only the parsing is timed, per filled buffer. Their runs alternate, so that whatever else the machine does
// meets all of them.
#include <proto/frame.hpp>
#include <proto/varint.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using namespace hawser;
using namespace hawser::proto;

constexpr std::size_t buffer_bytes = 64 * 1'024;
constexpr std::size_t run_bytes = 24u << 20;
constexpr int runs = 21;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct random_source {
  std::uint64_t state = 0x9e37'79b9'7f4a'7c15;
  std::uint32_t below(std::uint32_t limit) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<std::uint32_t>((state >> 16) % limit);
  }
};

// The traffic: a channel and a length for each frame.
struct mix {
  const char* name;
  std::uint32_t channels, length_min, length_max, bulk_one_in;
};
constexpr mix mixes[] = {
    {"64 B, one channel", 1, 64, 64, 0},
    {"8-300 B, 100 channels", 100, 8, 300, 0},
    {"8-300 B, 2,000 channels", 2'000, 8, 300, 0},
    {"8-300 B and 16 KiB (1 in 20)", 100, 8, 300, 20},
};

struct counted {
  std::uint64_t frames = 0, payload_bytes = 0, check = 0;
};

struct fixed_word {
  static constexpr const char* name = "fixed word";
  static std::size_t put(std::byte* to, std::uint32_t channel, std::uint32_t length) {
    return put_header(to, frame_type::data, frame_flag::none, channel, length);
  }
  // Parses whole frames; returns how many bytes they are.
  static std::size_t parse(const std::byte* from, std::size_t size, counted& seen) {
    std::size_t at = 0;
    frame_header header;
    while (decode_header(byte_view(from + at, size - at), header) == decode_status::header) {
      const std::size_t whole = std::size_t{header.size} + header.length;
      if (size - at < whole) break;
      ++seen.frames;
      seen.payload_bytes += header.length;
      seen.check += header.channel ^ static_cast<unsigned>(from[at + header.size]);
      at += whole;
    }
    return at;
  }
};

// The same bytes read without a branch on the size: eight bytes at once, shifted and masked by a table.
struct wide_varint {
  static std::uint64_t read(const std::byte* from, std::size_t& at, bool& sound) {
    static constexpr std::uint8_t sizes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 8, 0};
    static constexpr std::uint64_t masks[9] = {0, 0x7f, 0x3fff, 0, 0x1fff'ffff, 0, 0, 0, 0xff'ffff'ffff'ffff};
    static constexpr std::uint64_t least[9] = {1, 0, 1u << 7, 0, 1u << 14, 0, 0, 0, 1u << 29};
    const std::size_t size = sizes[static_cast<unsigned>(from[at]) >> 4];
    const std::uint64_t value = __builtin_bswap64(load_le<std::uint64_t>(from + at)) >> ((64 - 8 * size) & 63) & masks[size];
    sound &= value >= least[size];
    at += size;
    return value;
  }
};

struct prefix_varints {
  static constexpr const char* name = "varints";
  static std::size_t put(std::byte* to, std::uint32_t channel, std::uint32_t length) {
    to[0] = std::byte{1};
    std::size_t at = 1 + put_varint(to + 1, channel);
    return at + put_varint(to + at, length);
  }
  static std::size_t parse(const std::byte* from, std::size_t size, counted& seen) {
    std::size_t at = 0;
    while (at < size) {
      byte_reader header(byte_view(from + at, size - at));
      const auto first = header.fixed<std::uint8_t>();
      if ((detail::legal_flags[first & 15] >> (first >> 4 & 7) & 1) == 0) std::abort();
      const std::uint64_t channel = header.varint();
      const std::uint64_t length = header.varint();
      if (header.failed() || header.left() < length) break;
      ++seen.frames;
      seen.payload_bytes += length;
      seen.check += channel ^ static_cast<unsigned>(*header.position());
      at = size - header.left() + length;
    }
    return at;
  }
};

template <class Format>
std::vector<std::byte> traffic(const mix& of) {
  random_source random;
  std::vector<std::byte> bytes;
  bytes.reserve(run_bytes + (1 << 15));
  while (bytes.size() < run_bytes) {
    const std::uint32_t channel = 1 + random.below(of.channels);
    const bool bulk = of.bulk_one_in != 0 && random.below(of.bulk_one_in) == 0;
    const std::uint32_t length = bulk ? 16'384 : of.length_min + random.below(of.length_max - of.length_min + 1);
    const std::size_t at = bytes.size();
    bytes.resize(at + header_bytes_max + 8 + length);
    const std::size_t header = Format::put(bytes.data() + at, channel, length);
    std::memset(bytes.data() + at + header, static_cast<int>(length & 0xff), length);
    bytes.resize(at + header + length);
  }
  return bytes;
}

struct branch_free_varints {
  static constexpr const char* name = "varints, wide";
  static std::size_t put(std::byte* to, std::uint32_t channel, std::uint32_t length) { return prefix_varints::put(to, channel, length); }
  // The buffer has 16 bytes of slack behind its end, so that a wide load may look there.
  static std::size_t parse(const std::byte* from, std::size_t size, counted& seen) {
    std::size_t at = 0;
    while (at < size) {
      std::size_t next = at + 1;
      bool sound = true;
      const auto first = static_cast<unsigned>(from[at]);
      if ((detail::legal_flags[first & 15] >> (first >> 4 & 7) & 1) == 0) std::abort();
      const std::uint64_t channel = wide_varint::read(from, next, sound);
      const std::uint64_t length = wide_varint::read(from, next, sound);
      if (next > size || (!sound && size - at < 17)) break;      // the end of the buffer was read over
      if (!sound) std::abort();
      if (length > size - next) break;
      ++seen.frames;
      seen.payload_bytes += length;
      seen.check += channel ^ static_cast<unsigned>(from[next]);
      at = next + length;
    }
    return at;
  }
};

struct socket_pair {
  int out = -1, in = -1;
  socket_pair() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    auto* const address = reinterpret_cast<sockaddr*>(&where);
    if (::bind(listener, address, size) != 0 || ::listen(listener, 1) != 0 || ::getsockname(listener, address, &size) != 0) give_up("listen");
    out = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(out, address, size) != 0) give_up("connect");
    in = ::accept(listener, nullptr, nullptr);
    if (in < 0) give_up("accept");
    ::close(listener);
  }
  ~socket_pair() {
    ::close(out);
    ::close(in);
  }
};

// One run: everything through the socket once; ns per frame spent in parse().
template <class Format>
double run(const std::vector<std::byte>& bytes, std::vector<std::byte>& buffer, counted& seen) {
  const socket_pair sockets;
  std::jthread sender([&] {
    for (std::size_t at = 0; at < bytes.size();) {
      const auto sent = ::send(sockets.out, bytes.data() + at, std::min<std::size_t>(bytes.size() - at, 256 * 1'024), MSG_NOSIGNAL);
      if (sent <= 0) give_up("send");
      at += static_cast<std::size_t>(sent);
    }
    ::shutdown(sockets.out, SHUT_WR);
  });
  std::chrono::nanoseconds spent{};
  std::size_t kept = 0;
  for (;;) {
    const auto got = ::recv(sockets.in, buffer.data() + kept, buffer_bytes - kept, 0);
    if (got < 0) give_up("recv");
    if (got == 0) break;
    const std::size_t size = kept + static_cast<std::size_t>(got);
    const auto before = std::chrono::steady_clock::now();
    const std::size_t used = Format::parse(buffer.data(), size, seen);
    spent += std::chrono::steady_clock::now() - before;
    kept = size - used;
    std::memmove(buffer.data(), buffer.data() + used, kept);
  }
  return static_cast<double>(spent.count());
}

template <class Format>
struct series {
  std::vector<std::byte> bytes;
  std::vector<double> ns_per_frame;
  counted seen;
  explicit series(const mix& of) : bytes(traffic<Format>(of)) {}
  void once(std::vector<std::byte>& buffer) {
    const std::uint64_t before = seen.frames;
    const double ns = run<Format>(bytes, buffer, seen);
    ns_per_frame.push_back(ns / static_cast<double>(seen.frames - before));
  }
  void print(const char* traffic_name) {
    std::sort(ns_per_frame.begin(), ns_per_frame.end());
    const double header_bytes =
        static_cast<double>(bytes.size() - seen.payload_bytes / ns_per_frame.size()) / static_cast<double>(seen.frames / ns_per_frame.size());
    std::printf("%-30s %-16s %6.2f %6.2f %6.2f   %5.2f   %llx\n", traffic_name, Format::name, ns_per_frame.front(),
                ns_per_frame[ns_per_frame.size() / 2], ns_per_frame.back(), header_bytes, static_cast<unsigned long long>(seen.check));
  }
};

}  // namespace

int main() {
  std::printf("ns per frame, %d alternating runs of %zu MiB\n%-30s %-16s %6s %6s %6s   %5s\n", runs, run_bytes >> 20, "traffic", "header", "min",
              "median", "max", "bytes");
  std::vector<std::byte> buffer(buffer_bytes + 16);
  for (const mix& of : mixes) {
    series<fixed_word> word(of);
    series<prefix_varints> varints(of);
    series<branch_free_varints> wide(of);
    for (int i = 0; i < runs; ++i) {
      word.once(buffer);
      varints.once(buffer);
      wide.once(buffer);
    }
    word.print(of.name);
    varints.print(of.name);
    wide.print(of.name);
  }
}
