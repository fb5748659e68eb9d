// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

// HAWSER_API marks what libhawser.so exports: everything in a public header that is defined in the library, and the variables that
// library and program must share though they are defined in headers. All else is hidden; HAWSER_LOCAL hides a private part of a class
// that is exported. HAWSER_SHARED comes with the CMake targets and the pkg-config files of a shared build; archives export nothing, not
// even out of a shared library that swallows them.
#if defined(HAWSER_SHARED) && defined(__ELF__)
#define HAWSER_API [[gnu::visibility("default")]]
#define HAWSER_LOCAL [[gnu::visibility("hidden")]]
#else
#define HAWSER_API
#define HAWSER_LOCAL
#endif
