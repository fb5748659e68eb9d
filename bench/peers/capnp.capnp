# SPDX-License-Identifier: Apache-2.0 OR MIT
@0xd969cdd2aed779d3;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("hawser_bench");

interface Contest {
  ask @0 (message :Data) -> (message :Data);
  pour @1 (message :Data) -> stream;
  talk @2 () -> (talk :Talk);
}

interface Talk {
  piece @0 (message :Data) -> (message :Data);
}
