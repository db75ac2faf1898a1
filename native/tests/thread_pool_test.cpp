// The thread pool: every task once, by threads that do not get into each other's way, whoever calls.

#include "kernels/thread_pool.h"

#include <atomic>
#include <set>
#include <thread>

#include "check.h"

using rmt::ThreadPool;

namespace {

// Counts what happens to the tasks of one run.
struct Tally {
  explicit Tally(int num_tasks, int threads) : runs(num_tasks), inside(threads) {}

  std::vector<std::atomic<int>> runs;    // of each task
  std::vector<std::atomic<int>> inside;  // threads that work under each worker index just now
  std::atomic<bool> index_out_of_range{false};
  std::atomic<bool> index_shared{false};
  int spin = 0;

  static void task(void *context, int task_index, int worker_index) {
    Tally &tally = *static_cast<Tally *>(context);
    if (worker_index < 0 || worker_index >= static_cast<int>(tally.inside.size())) {
      tally.index_out_of_range = true;
      return;
    }
    if (tally.inside[worker_index].fetch_add(1) != 0) tally.index_shared = true;
    for (volatile int i = 0; i < tally.spin; i = i + 1) {
    }
    tally.runs[task_index].fetch_add(1);
    tally.inside[worker_index].fetch_sub(1);
  }

  void check() const {
    CHECK(!index_out_of_range);
    CHECK(!index_shared);
    for (const auto &count : runs) CHECK_EQUAL(count.load(), 1);
  }
};

}  // namespace

TEST("every task runs once, under a worker index that no other thread has") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    CHECK_EQUAL(pool.threads(), threads);
    for (const int num_tasks : {0, 1, 2, 7, 100}) {
      for (const int spin : {0, 1000}) {
        Tally tally(num_tasks, threads);
        tally.spin = spin;
        pool.run(num_tasks, Tally::task, &tally);
        tally.check();
      }
    }
  }
}

TEST("runs that follow at once and runs that find the workers asleep lose no task") {
  ThreadPool pool(3);
  for (int round = 0; round < 2000; ++round) {
    Tally tally(1 + round % 9, 3);
    pool.run(1 + round % 9, Tally::task, &tally);
    tally.check();
    if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST("several threads share the workers of one pool") {
  ThreadPool pool(3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&pool, &wrong] {
      for (int round = 0; round < 500; ++round) {
        Tally tally(5, 3);
        tally.spin = round % 50;
        pool.run(5, Tally::task, &tally);
        try {
          tally.check();
        } catch (const test::Failure &) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread &caller : callers) caller.join();
  CHECK_EQUAL(wrong.load(), 0);
}

TEST("what tasks wrote is seen after the run, without further ado") {
  ThreadPool pool(4);
  std::vector<int> values(1000);  // not atomic: the run itself has to order the accesses
  for (int round = 1; round < 200; ++round) {
    pool.run(
        static_cast<int>(values.size()),
        [](void *context, int i, int) { ++(*static_cast<std::vector<int> *>(context))[i]; }, &values);
    for (const int value : values) CHECK_EQUAL(value, round);
  }
}

TEST("a pool of one thread runs everything on the thread that calls") {
  ThreadPool pool(1);
  std::set<std::thread::id> seen;
  pool.run(
      10,
      [](void *context, int, int) {
        static_cast<std::set<std::thread::id> *>(context)->insert(std::this_thread::get_id());
      },
      &seen);
  CHECK_EQUAL(seen.size(), size_t{1});
  CHECK(*seen.begin() == std::this_thread::get_id());
}

TEST("a pool that is destroyed at once, before its threads have looked around, ends them") {
  for (int round = 0; round < 500; ++round) ThreadPool pool(3);
}

RMT_TEST_MAIN()
