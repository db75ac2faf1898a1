// exclusive.h - held while a call is inside an object that belongs to one thread at a time: a second thread gets an
// error instead of a race.
#pragma once

#include <atomic>

#include "model/error.h"

namespace rmt {

class Exclusive {
 public:
  // Throws RMT_FAILED_PRECONDITION where another thread is in. `what` names the object: "memory", "trainer".
  Exclusive(std::atomic<bool> &in_use, const char *what) : in_use_(in_use) {
    if (in_use_.exchange(true, std::memory_order_acquire)) {
      fail(RMT_FAILED_PRECONDITION, "the ", what, " is in use by another thread; a ", what,
           " belongs to one thread at a time");
    }
  }
  ~Exclusive() { in_use_.store(false, std::memory_order_release); }
  Exclusive(const Exclusive &) = delete;
  Exclusive &operator=(const Exclusive &) = delete;

 private:
  std::atomic<bool> &in_use_;
};

}  // namespace rmt
