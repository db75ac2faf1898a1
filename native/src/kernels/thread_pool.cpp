#include "kernels/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace rmt {

namespace {

// A segment is a chain of short runs, a few microseconds apart. A worker that slept between them would be late for
// each; one that span for long would take the processor from others.
constexpr std::chrono::microseconds kSpinTime(50);

void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until `ready()` or until the spinning time is over; true if ready.
template <typename Ready>
bool spin_until(const Ready &ready) {
  if (ready()) return true;
  const auto end = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_briefly();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

// One call of run(). Lives on the stack of its caller, who leaves only when `helpers` is 0 and the job is off the list.
struct Job {
  int num_tasks;
  void (*task)(void *context, int task_index, int worker_index);
  void *context;
  std::atomic<int> next{0};     // first task that nobody has taken
  std::atomic<int> helpers{0};  // workers inside the job; raised only under the mutex, while the job is on the list
  Job *next_job = nullptr;

  bool has_tasks() const { return next.load(std::memory_order_relaxed) < num_tasks; }

  void work(int worker_index) {
    for (;;) {
      const int i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= num_tasks) return;
      task(context, i, worker_index);
    }
  }
};

}  // namespace

class ThreadPool::Impl {
 public:
  explicit Impl(int threads) : threads_(std::max(threads, 1)) {
    workers_.reserve(static_cast<size_t>(threads_) - 1);
    try {
      for (int i = 1; i < threads_; ++i) workers_.emplace_back([this, i] { serve(i); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~Impl() { stop(); }

  int threads() const { return threads_; }

  void run(Job *job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job->next_job = jobs_;
      jobs_ = job;
      generation_.fetch_add(1);
    }
    if (sleeping_workers_.load() > 0) {
      // Taking the mutex orders this after the decision of a worker that is about to sleep.
      { std::lock_guard<std::mutex> lock(mutex_); }
      work_arrived_.notify_all();
    }
    job->work(0);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      Job **link = &jobs_;
      while (*link != job) link = &(*link)->next_job;
      *link = job->next_job;
    }
    const auto finished = [job] { return job->helpers.load() == 0; };
    if (spin_until(finished)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    sleeping_callers_.fetch_add(1);
    job_finished_.wait(lock, finished);
    sleeping_callers_.fetch_sub(1);
  }

 private:
  void serve(int worker_index) {
    for (;;) {
      const uint64_t seen = generation_.load();
      while (Job *job = join_a_job()) {
        job->work(worker_index);
        leave(job);
      }
      const auto changed = [this, seen] { return generation_.load() != seen || stopping_.load(); };
      if (!spin_until(changed)) {
        std::unique_lock<std::mutex> lock(mutex_);
        sleeping_workers_.fetch_add(1);
        work_arrived_.wait(lock, changed);
        sleeping_workers_.fetch_sub(1);
      }
      if (stopping_.load()) return;
    }
  }

  // A job with tasks left, which the calling worker has entered; null: none.
  Job *join_a_job() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Job *job = jobs_; job != nullptr; job = job->next_job) {
      if (job->has_tasks()) {
        job->helpers.fetch_add(1);
        return job;
      }
    }
    return nullptr;
  }

  // The job may be gone as soon as `helpers` is 0: from there on only the pool is touched.
  void leave(Job *job) {
    if (job->helpers.fetch_sub(1) == 1 && sleeping_callers_.load() > 0) {
      { std::lock_guard<std::mutex> lock(mutex_); }
      job_finished_.notify_all();
    }
  }

  void stop() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_.store(true);
    }
    work_arrived_.notify_all();
    for (std::thread &worker : workers_) worker.join();
  }

  const int threads_;
  std::mutex mutex_;
  std::condition_variable work_arrived_;
  std::condition_variable job_finished_;
  Job *jobs_ = nullptr;                  // guarded by mutex_
  std::atomic<uint64_t> generation_{0};  // counts jobs
  std::atomic<bool> stopping_{false};
  std::atomic<int> sleeping_workers_{0};
  std::atomic<int> sleeping_callers_{0};
  std::vector<std::thread> workers_;
};

ThreadPool::ThreadPool(int threads) : impl_(new Impl(threads)) {}

ThreadPool::~ThreadPool() { delete impl_; }

int ThreadPool::threads() const { return impl_->threads(); }

void ThreadPool::run(int num_tasks, void (*task)(void *context, int task_index, int worker_index), void *context) {
  if (impl_->threads() == 1 || num_tasks <= 1) {
    for (int i = 0; i < num_tasks; ++i) task(context, i, 0);
    return;
  }
  Job job{num_tasks, task, context};
  impl_->run(&job);
}

}  // namespace rmt
