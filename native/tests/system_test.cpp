// What lies behind the C interface and touches no kernel: the memory budget, and which elements have been set.

#include "model/system.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "model/parameters.h"

namespace {

namespace fs = std::filesystem;

// A folder that stands for the root of a file system, gone at the end.
class FakeRoot {
 public:
  FakeRoot() : path_(fs::temp_directory_path() / ("rmt-system-test-" + std::to_string(getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~FakeRoot() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  void write(const std::string &file, const std::string &text) const {
    const fs::path path = path_ / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  int64_t available() const { return rmt::available_memory_bytes(path_.string()); }
  int32_t threads() const { return rmt::usable_threads(path_.string()); }

 private:
  fs::path path_;
};

constexpr int64_t kMebibyte = 1 << 20;

TEST("without control groups the system's available memory counts") {
  const FakeRoot root;
  root.write("proc/meminfo", "MemTotal:  4096 kB\nMemFree: 1 kB\nMemAvailable:   2048 kB\nBuffers: 7 kB\n");
  CHECK_EQUAL(root.available(), 2 * kMebibyte);
}

TEST("a control group of version 2 and those above it cut the memory; cached pages do not count as used") {
  const FakeRoot root;
  root.write("proc/meminfo", "MemAvailable: 1048576 kB\n");
  root.write("proc/self/cgroup", "0::/outer/inner\n");
  root.write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  root.write("sys/fs/cgroup/outer/inner/memory.current", "1000\n");
  CHECK_EQUAL(root.available(), 1024 * kMebibyte);
  root.write("sys/fs/cgroup/outer/memory.max", std::to_string(100 * kMebibyte) + "\n");
  root.write("sys/fs/cgroup/outer/memory.current", std::to_string(60 * kMebibyte) + "\n");
  CHECK_EQUAL(root.available(), 40 * kMebibyte);
  root.write("sys/fs/cgroup/outer/memory.stat",
             "anon 5\nfile 9\ninactive_file " + std::to_string(20 * kMebibyte) + "\n");
  CHECK_EQUAL(root.available(), 60 * kMebibyte);
  root.write("sys/fs/cgroup/outer/inner/memory.max", "500\n");
  CHECK_EQUAL(root.available(), 0);
}

TEST("a container's own group is found although the path is that of the host") {
  const FakeRoot root;
  root.write("proc/meminfo", "MemAvailable: 1048576 kB\n");
  root.write("proc/self/cgroup", "0::/system.slice/docker-0123.scope\n");
  root.write("sys/fs/cgroup/memory.max", std::to_string(10 * kMebibyte));
  root.write("sys/fs/cgroup/memory.current", std::to_string(kMebibyte));
  CHECK_EQUAL(root.available(), 9 * kMebibyte);
}

TEST("a control group of version 1 cuts the memory, its unlimited number does not") {
  const FakeRoot root;
  root.write("proc/meminfo", "MemAvailable: 1048576 kB\n");
  root.write("proc/self/cgroup", "11:cpu,cpuacct:/a\n4:memory:/a\n0::/\n");
  root.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  root.write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1000\n");
  CHECK_EQUAL(root.available(), 1024 * kMebibyte);
  root.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", std::to_string(8 * kMebibyte));
  root.write("sys/fs/cgroup/memory/a/memory.usage_in_bytes", std::to_string(3 * kMebibyte));
  root.write("sys/fs/cgroup/memory/a/memory.stat", "inactive_file 5\ntotal_inactive_file " + std::to_string(kMebibyte));
  CHECK_EQUAL(root.available(), 6 * kMebibyte);
}

TEST("malformed files of the system are passed over") {
  const FakeRoot root;
  root.write("proc/meminfo", "MemAvailable: 2048 kB\n");
  root.write("proc/self/cgroup", "\n:\nnonsense\n0::\n0::relative\n");
  root.write("sys/fs/cgroup/memory.max", "");
  root.write("sys/fs/cgroup/memory.current", "-\n");
  root.write("sys/fs/cgroup/cpu.max", "\n");
  CHECK_EQUAL(root.available(), 2 * kMebibyte);
  CHECK(root.threads() >= 1);
}

TEST("a processor quota cuts the threads, rounded up") {
  const FakeRoot root;
  const int32_t all = root.threads();
  CHECK(all >= 1);
  root.write("proc/self/cgroup", "0::/box\n");
  root.write("sys/fs/cgroup/box/cpu.max", "max 100000\n");
  CHECK_EQUAL(root.threads(), all);
  root.write("sys/fs/cgroup/box/cpu.max", "50000 100000\n");
  CHECK_EQUAL(root.threads(), 1);
  root.write("sys/fs/cgroup/box/cpu.max", "110000 100000\n");
  CHECK_EQUAL(root.threads(), std::min(2, all));
  root.write("proc/self/cgroup", "3:cpu,cpuacct:/box\n");
  root.write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
  CHECK_EQUAL(root.threads(), all);
  root.write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "1000\n");
  CHECK_EQUAL(root.threads(), 1);
}

TEST("this machine has memory and a processor") {
  CHECK(rmt::available_memory_bytes() > kMebibyte);
  CHECK(rmt::usable_threads() >= 1);
}

TEST("coverage knows what is missing, whatever the order and overlap of the pieces") {
  test::Random random(6);
  for (int round = 0; round < 200; ++round) {
    const int32_t count = random.integer(1, 60);
    rmt::Coverage coverage(count);
    std::vector<bool> set(count);
    for (int piece = 0; piece < 12; ++piece) {
      const int32_t begin = random.integer(0, count);
      const int32_t end = random.integer(begin, std::min(count, begin + 12));
      coverage.add(begin, end);
      std::fill(set.begin() + begin, set.begin() + end, true);
      const int64_t first = std::find(set.begin(), set.end(), false) - set.begin();
      CHECK_EQUAL(coverage.num_missing(), static_cast<int64_t>(std::count(set.begin(), set.end(), false)));
      CHECK_EQUAL(coverage.first_missing(), first);
      const int32_t a = random.integer(0, count);
      const int32_t b = random.integer(a, count);
      CHECK_EQUAL(coverage.covers(a, b), std::find(set.begin() + a, set.begin() + b, false) == set.begin() + b);
    }
  }
}

}  // namespace

RMT_TEST_MAIN()
