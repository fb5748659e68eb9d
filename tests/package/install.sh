#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# install.sh CMAKE BUILD_TREE PACKAGE command|library: installs below a DESTDIR as packagers do, and moves the result to another place,
# where the other tests use it. So whatever names the prefix does not survive here.
set -eu
stage=$3.stage
rm -rf "$stage" "$3"
DESTDIR=$stage "$1" --install "$2" --prefix /opt/hawser >"$3.log" || { cat "$3.log"; exit 1; }
mv "$stage/opt/hawser" "$3"
rmdir "$stage/opt" "$stage" || { echo "installed outside of its prefix:"; find "$stage"; exit 1; }

missing=0
have() { for file; do [ -e "$package/$file" ] || { echo "not installed: $file"; missing=1; }; done; }
package=$3
have include/hawser/hawser.hpp include/hawser/testing/network.hpp share/doc/hawser/LICENSE share/doc/hawser/LICENSE-MIT
if [ "$4" = command ]; then
  have bin/hawser share/man/man1/hawser.1 share/bash-completion/completions/hawser share/zsh/site-functions/_hawser \
    share/fish/vendor_completions.d/hawser.fish
  "$package/bin/hawser" --version
fi
if grep -rIl -e /opt/hawser -e "$2" "$package"; then
  echo "these files name the prefix or the build tree"
  missing=1
fi
exit $missing
