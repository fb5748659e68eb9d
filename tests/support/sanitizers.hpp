// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

// True under ThreadSanitizer, whose library brings operators new and delete of its own, beside which there can be no others: there
// nothing is counted.
#if defined(__SANITIZE_THREAD__)
#define HAWSER_UNDER_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAWSER_UNDER_THREAD_SANITIZER 1
#endif
#endif
#ifndef HAWSER_UNDER_THREAD_SANITIZER
#define HAWSER_UNDER_THREAD_SANITIZER 0
#endif

// Under AddressSanitizer memory is counted, but what the system gives for it is the sanitizer's.
#if defined(__SANITIZE_ADDRESS__)
#define HAWSER_UNDER_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAWSER_UNDER_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef HAWSER_UNDER_ADDRESS_SANITIZER
#define HAWSER_UNDER_ADDRESS_SANITIZER 0
#endif
