# SPDX-License-Identifier: Apache-2.0 OR MIT
# Ends with the message that the test expects.
find_package(hawser REQUIRED COMPONENTS peer mesh)
