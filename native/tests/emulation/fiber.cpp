#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#ifdef RMT_EMULATION_SANITIZED
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef RMT_EMULATION_UCONTEXT
extern "C" void rmt_emulation_switch(void **stack_pointer, void *to) __attribute__((visibility("hidden")));

// Keeps what a function must keep (System V ABI, x86-64) on the old stack and takes it from the new one. The state of
// the floating-point units is the same for all.
asm(R"(
  .text
  .p2align 4
  .hidden rmt_emulation_switch
  .globl rmt_emulation_switch
  .type rmt_emulation_switch, @function
rmt_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size rmt_emulation_switch, .-rmt_emulation_switch
)");
#endif

namespace rmt::emulation {

namespace {

#ifdef RMT_EMULATION_SANITIZED
constexpr size_t kStackBytes = 256 << 10;
#else
constexpr size_t kStackBytes = 64 << 10;
#endif

// One fiber runs at a time in the whole process.
Fiber *switched_from = nullptr;
Fiber *switched_to = nullptr;

}  // namespace

Fiber::Fiber(void (*entry)()) : entry_(entry) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *mapping = mmap(nullptr, page + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<char *>(mapping);
  if (mprotect(mapping_, page, PROT_NONE) != 0) throw std::bad_alloc();
  stack_ = mapping_ + page;
  stack_bytes_ = kStackBytes;
#ifdef RMT_EMULATION_UCONTEXT
  getcontext(&context_);
  context_.uc_stack.ss_sp = mapping_ + page;
  context_.uc_stack.ss_size = kStackBytes;
  context_.uc_link = nullptr;
  makecontext(&context_, &Fiber::start, 0);
#else
  // As if start() were about to be called: six registers, start() itself, and nobody to return to. A function begins
  // with a stack pointer that is 8 more than a multiple of 16.
  auto **top = reinterpret_cast<void **>(mapping_ + page + kStackBytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void *>(&Fiber::start);
  stack_pointer_ = top - 6;
#endif
}

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
#ifdef RMT_EMULATION_SANITIZED
  __asan_unpoison_memory_region(stack_, stack_bytes_);  // functions that never returned
#endif
  munmap(mapping_, static_cast<size_t>(static_cast<const char *>(stack_) - mapping_) + stack_bytes_);
}

void Fiber::switch_to(Fiber &to) {
  switched_from = this;
  switched_to = &to;
  void *fake_stack = nullptr;
#ifdef RMT_EMULATION_SANITIZED
  __sanitizer_start_switch_fiber(&fake_stack, to.stack_, to.stack_bytes_);
#endif
#ifdef RMT_EMULATION_UCONTEXT
  swapcontext(&context_, &to.context_);
#else
  rmt_emulation_switch(&stack_pointer_, to.stack_pointer_);
#endif
  arrived(fake_stack);
}

void Fiber::arrived(void *fake_stack) {
#ifdef RMT_EMULATION_SANITIZED
  const void *stack = nullptr;
  size_t stack_bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &stack, &stack_bytes);
  if (switched_from->mapping_ == nullptr) {  // the only one whose stack we did not make
    switched_from->stack_ = stack;
    switched_from->stack_bytes_ = stack_bytes;
  }
#else
  static_cast<void>(fake_stack);
#endif
}

void Fiber::start() {
  arrived(nullptr);
  switched_to->entry_();
  std::abort();
}

}  // namespace rmt::emulation
