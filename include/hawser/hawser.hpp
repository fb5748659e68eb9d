// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

// Everything that most programs need.
#include <hawser/async/cancel.hpp>
#include <hawser/async/scope.hpp>
#include <hawser/async/sleep.hpp>
#include <hawser/async/task.hpp>
#include <hawser/base/buffer.hpp>
#include <hawser/base/bytes.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/log.hpp>
#include <hawser/io/endpoint.hpp>
#include <hawser/io/loop.hpp>
#include <hawser/peer.hpp>
