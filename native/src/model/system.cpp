#include "model/system.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>
#include <vector>

namespace rmt {

namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// The lines of a small file of /proc or /sys; none where it cannot be read.
std::vector<std::string> read_lines(const std::string &path) {
  std::vector<std::string> lines;
  std::FILE *file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return lines;
  char *line = nullptr;
  size_t capacity = 0;
  for (ssize_t length; (length = getline(&line, &capacity, file)) > 0;) {
    if (line[length - 1] == '\n') --length;
    lines.emplace_back(line, length);
  }
  std::free(line);
  std::fclose(file);
  return lines;
}

// The number that a text begins with, -1 where it begins with something else.
int64_t leading_number(const std::string &text) {
  char *end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  return end == text.c_str() ? -1 : value;
}

// The number on the first line of a file, -1 where there is none ("max", no file).
int64_t read_number(const std::string &path) {
  const std::vector<std::string> lines = read_lines(path);
  return lines.empty() ? -1 : leading_number(lines[0]);
}

// The number behind `key` in a file of lines "key number", -1 where there is none.
int64_t read_keyed_number(const std::string &path, const std::string &key) {
  for (const std::string &line : read_lines(path)) {
    if (line.compare(0, key.size(), key) == 0 && line.size() > key.size() && line[key.size()] == ' ') {
      return leading_number(line.substr(key.size()));
    }
  }
  return -1;
}

bool lists(const std::string &controllers, const std::string &name) {
  return ("," + controllers + ",").find("," + name + ",") != std::string::npos;
}

struct ControlGroup {
  std::string folder;
  bool v2;
};

// The control groups that hold this process for one controller, from its own up to the root of the mount. Inside a
// container the path may be that of the host: its folders are then missing and only the mount's root, which is the
// container's own group, counts.
std::vector<ControlGroup> control_groups(const std::string &root, const std::string &controller) {
  std::vector<ControlGroup> groups;
  for (const std::string &line : read_lines(root + "/proc/self/cgroup")) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && !lists(controllers, controller)) continue;
    const std::string mount = root + "/sys/fs/cgroup" + (v2 ? "" : "/" + controller);
    std::string path = line.substr(second + 1);
    for (;;) {
      while (!path.empty() && path.back() == '/') path.pop_back();
      groups.push_back({mount + path, v2});
      if (path.empty()) break;
      path.erase(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
    }
  }
  return groups;
}

// What is left below the limit of one group. Cached file pages do not count as used: they are given back on demand.
int64_t group_memory_left(const ControlGroup &group) {
  const std::string folder = group.folder + "/";
  const int64_t limit = read_number(folder + (group.v2 ? "memory.max" : "memory.limit_in_bytes"));
  const int64_t used = read_number(folder + (group.v2 ? "memory.current" : "memory.usage_in_bytes"));
  if (limit < 0 || used < 0) return kUnlimited;
  const int64_t cached = std::max<int64_t>(
      0, read_keyed_number(folder + "memory.stat", group.v2 ? "inactive_file" : "total_inactive_file"));
  return std::max<int64_t>(0, limit - std::max<int64_t>(0, used - cached));
}

// Processors that one group's quota is worth, rounded up.
int64_t group_processors(const ControlGroup &group) {
  int64_t quota = -1;
  int64_t period = -1;
  if (group.v2) {
    // "quota period", or "max period" where there is none.
    const std::vector<std::string> lines = read_lines(group.folder + "/cpu.max");
    const size_t space = lines.empty() ? std::string::npos : lines[0].find(' ');
    if (space != std::string::npos) {
      quota = leading_number(lines[0]);
      period = leading_number(lines[0].substr(space));
    }
  } else {
    quota = read_number(group.folder + "/cpu.cfs_quota_us");
    period = read_number(group.folder + "/cpu.cfs_period_us");
  }
  return quota > 0 && period > 0 ? (quota + period - 1) / period : kUnlimited;
}

int64_t physical_memory_bytes() {
  const int64_t pages = sysconf(_SC_PHYS_PAGES);
  const int64_t page_size = sysconf(_SC_PAGESIZE);
  return pages > 0 && page_size > 0 ? pages * page_size : kUnlimited;
}

int64_t affinity_processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  return std::thread::hardware_concurrency();
}

}  // namespace

int64_t available_memory_bytes(const std::string &root) {
  const int64_t kilobytes = read_keyed_number(root + "/proc/meminfo", "MemAvailable:");
  int64_t available = kilobytes >= 0 ? kilobytes * 1024 : physical_memory_bytes();
  for (const ControlGroup &group : control_groups(root, "memory")) {
    available = std::min(available, group_memory_left(group));
  }
  return available;
}

int32_t usable_threads(const std::string &root) {
  int64_t threads = affinity_processors();
  for (const ControlGroup &group : control_groups(root, "cpu")) threads = std::min(threads, group_processors(group));
  return static_cast<int32_t>(std::max<int64_t>(1, threads));
}

}  // namespace rmt
