// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

// Where link and what stands on it draw ids and seeds. The source is io's, so that a simulation can fix it.
#include <hawser/io/entropy.hpp>
