// Runs a function with little stack, as threads of servers and embedded systems have it.
#ifndef SINTER_TESTS_BASE_SMALL_STACK_H_
#define SINTER_TESTS_BASE_SMALL_STACK_H_

#include <gtest/gtest.h>
#include <pthread.h>

#include <cstddef>
#include <functional>

namespace sinter {

// REQUIRES: `body` lets no exception out.
inline void run_with_small_stack(const std::function<void()>& body) {
  constexpr std::size_t kBytes = 512 * 1024;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kBytes), 0);
  pthread_t thread;
  const auto start = [](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, start,
                           const_cast<void*>(static_cast<const void*>(&body))),
            0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace sinter

#endif  // SINTER_TESTS_BASE_SMALL_STACK_H_
