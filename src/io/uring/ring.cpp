// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/uring/ring.hpp"

#include <hawser/base/contract.hpp>

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hawser::inline v0::io {
namespace {

// What Linux 6.1 has, and no older one. The ring is disabled until its issuer enters for the first time.
constexpr unsigned flags_needed = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |
    IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
constexpr unsigned features_needed = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;

const char* remedy_of(int error) noexcept {
  switch (error) {
    case EPERM:
    case EACCES:
      return "a seccomp filter or the sysctl kernel.io_uring_disabled forbids it; allow it there";
    case ENOSYS:
      return "this kernel has no io_uring, or a sandbox hides it; Linux 6.1 or later has what is needed";
    case EINVAL:
      return "this kernel's io_uring is older than Linux 6.1";
    case ENOMEM:
      return "too little memory, or RLIMIT_MEMLOCK is too low";
    case EMFILE:
    case ENFILE:
      return "no descriptors are left; raise RLIMIT_NOFILE";
    default:
      return nullptr;
  }
}

[[noreturn]] void cannot_go_on(const char* why) {
  std::fprintf(stderr, "hawser: io_uring_enter: %s\n", why);
  std::abort();
}

// What passes by itself is no news; after anything else the loop cannot go on.
void check(int answer) {
  if (answer >= 0) return;
  switch (-answer) {
    case EINTR:
    case ETIME:
    case EBUSY:      // completions have to be taken first
    case EAGAIN:
    case ENOMEM:
      return;
    case EEXIST:
      cannot_go_on("a loop on io_uring belongs to the thread that turned it first, and another one turns it now");
    default:
      cannot_go_on(std::strerror(-answer));
  }
}

}  // namespace

int enable_ring(io_uring* ring) noexcept {
  return io_uring_register(static_cast<unsigned>(ring->ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

std::string refusal::text() const {
  std::string out = step;
  if (error == 0) return out;
  out += ": ";
  out += std::strerror(error);
  if (const char* remedy = remedy_of(error)) {
    out += " (";
    out += remedy;
    out += ')';
  }
  return out;
}

ring::ring(const ring_calls& calls) noexcept : calls_(calls), process_(::getpid()) { ring_.ring_fd = -1; }

std::expected<std::unique_ptr<ring>, refusal> ring::make(const ring_geometry& geometry, const ring_calls& calls) {
  std::unique_ptr<ring> made(new ring(calls));
  io_uring_params params{};
  params.flags = flags_needed;
  params.cq_entries = geometry.completions;
  if (const int answer = calls.set_up(geometry.submissions, &made->ring_, &params); answer < 0) {
    made->ring_.ring_fd = -1;
    return std::unexpected(refusal{"io_uring_setup", -answer});
  }
  if ((params.features & features_needed) != features_needed) {
    return std::unexpected(refusal{"io_uring_setup: features are missing (Linux 6.1 or later has them)"});
  }
  return made;
}

ring::~ring() {
  if (ring_.ring_fd < 0) return;
  if (inherited()) {
    ::close(ring_.ring_fd);
  } else {
    io_uring_queue_exit(&ring_);
  }
}

io_uring_sqe* ring::next() {
  if (waiting_.empty()) {
    if (io_uring_sqe* entry = io_uring_get_sqe(&ring_)) return entry;
  }
  return &waiting_.emplace_back();
}

void ring::refill() {
  while (!waiting_.empty()) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    if (!entry) return;
    *entry = waiting_.front();
    waiting_.pop_front();
  }
}

// The thread that enters first is the issuer from then on.
int ring::bind() {
  if (issuer_ != 0) return 0;
  const int answer = calls_.enable(&ring_);
  if (answer < 0) return answer;
  issuer_ = ::gettid();
  process_ = ::getpid();               // a daemon turns the loop first after its fork()
  return answer;
}

// Submits until what waited is in the queue, or the kernel takes no more for now.
int ring::push_waiting() {
  while (!waiting_.empty()) {
    const std::size_t before = unsubmitted();
    ++enters_;
    const int answer = io_uring_submit(&ring_);
    if (answer < 0) return answer;
    refill();
    if (unsubmitted() == before) break;
  }
  return 0;
}

int ring::try_enter(duration span) {
  if (const int answer = bind(); answer < 0) return answer;
  if (const int answer = push_waiting(); answer < 0) return answer;
  ++enters_;
  if (span == duration::zero()) return io_uring_submit_and_get_events(&ring_);
  if (span == duration::max()) return io_uring_submit_and_wait(&ring_, 1);
  __kernel_timespec limit{span.count() / 1'000'000'000, span.count() % 1'000'000'000};
  io_uring_cqe* first = nullptr;
  return calls_.submit_and_wait(&ring_, &first, 1, &limit, nullptr);
}

void ring::enter(duration span) { check(try_enter(span)); }

void ring::submit() {
  check(bind());
  check(push_waiting());
  ++enters_;
  check(io_uring_submit(&ring_));
}

bool ring::enterable() const noexcept { return issuer_ == 0 || issuer_ == ::gettid(); }
bool ring::inherited() const noexcept { return process_ != ::getpid(); }

}  // namespace hawser::inline v0::io
