// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/connection_state.hpp"
#include "peer/core.hpp"

#include <hawser/link/dial.hpp>

#include <utility>

namespace hawser::inline v0::detail {

task<result<connection>> peer_core::connect(ref<peer_core> core, endpoint where, std::optional<byte_view> first) {
  const ref<peer_core> self = std::move(core);      // a local: it must outlive the waits below
  const peer_options& options = self->options_;
  if (self->stopping_) co_return failure(errc::closed);
  if (!options.name.empty() && self->identity_.name.empty()) co_return failure(errc::name_invalid);
  if (self->open_count_ >= options.connections_max) co_return failure(errc::too_many_connections);

  dial_options how;
  how.resolve_timeout = options.resolve_timeout;
  how.timeout = options.connect_timeout;
  task<result<connected_socket>> dialling = dial(*self->loop_, where, how);
  task<result<connected_socket>> bounded = with_cancel(self->ending_.token(), std::move(dialling));
  result<connected_socket> socket = co_await std::move(bounded);
  if (!socket) {
    self->log(log_level::info, 0, "cannot connect to %s: %s", where.text().c_str(), socket.error().message().c_str());
    co_return failure(socket.error() == errc::cancelled ? make_error_code(errc::closed) : socket.error());
  }
  if (self->stopping_) co_return failure(errc::closed);

  const ref<peer_connection> made(new peer_connection(*self, proto::role::client));
  handshake_wait verdict(*made);
  made->adopt(std::move(*socket), verdict);
  const bool sent_ahead = first && made->send_ahead(*first);
  result<connection> answer = co_await verdict;
  if (!answer || !first || sent_ahead) co_return answer;
  if (const result<> sent = answer->send(*first); !sent) {
    answer->close();
    co_return failure(sent.error());
  }
  co_return answer;
}

}  // namespace hawser::inline v0::detail
