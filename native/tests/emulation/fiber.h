// fiber.h - stacks of their own to switch between: one for each CUDA thread that is waiting.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) && !defined(RMT_EMULATION_UCONTEXT)
#define RMT_EMULATION_UCONTEXT
#endif
#ifdef RMT_EMULATION_UCONTEXT
#include <ucontext.h>
#endif

// AddressSanitizer has to be told of switches.
#if defined(__SANITIZE_ADDRESS__)
#define RMT_EMULATION_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RMT_EMULATION_SANITIZED
#endif
#endif

namespace rmt::emulation {

class Fiber {
 public:
  Fiber() = default;                // the stack that the caller runs on
  explicit Fiber(void (*entry)());  // a stack of its own; `entry` starts at the first switch to it and never returns
  ~Fiber();
  Fiber(const Fiber &) = delete;
  Fiber &operator=(const Fiber &) = delete;

  // Stops here and goes on in `to`; returns when somebody switches back. `this` is the one that runs.
  void switch_to(Fiber &to);

 private:
  static void start();
  static void arrived(void *fake_stack);

  void (*entry_)() = nullptr;
  char *mapping_ = nullptr;  // a page that nobody may touch, then the stack
  const void *stack_ = nullptr;
  size_t stack_bytes_ = 0;
#ifdef RMT_EMULATION_UCONTEXT
  ucontext_t context_;
#else
  void *stack_pointer_ = nullptr;
#endif
};

}  // namespace rmt::emulation
