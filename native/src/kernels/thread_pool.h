// thread_pool.h - the threads of a device. No OpenMP: rmt lives in somebody else's process and has exactly the threads
// it was asked for.
#pragma once

namespace rmt {

class ThreadPool {
 public:
  // Starts threads - 1 workers; the thread that calls run() is the last of `threads` >= 1. Throws std::system_error
  // where the system refuses a thread; the ones that had been started are gone then.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int threads() const;

  // Calls task(context, i, worker) once for every i in [0, num_tasks), in any order and at the same time, and returns
  // when all calls have returned; what they wrote is visible then. `worker`, in [0, threads()), differs among the
  // threads that work on the same run(): scratch buffers are indexed by it. Several threads may be in run() at once and
  // share the workers. A task must not throw and must not call run().
  void run(int num_tasks, void (*task)(void *context, int task_index, int worker_index), void *context);

 private:
  class Impl;
  Impl *impl_;
};

}  // namespace rmt
