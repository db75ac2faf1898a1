#include "kernels/cuda/recordings.h"

#include <algorithm>

namespace rmt::cuda {

Recordings::~Recordings() {
  while (!recordings_.empty()) forget(recordings_.begin());
}

// A graph that still runs is freed when it has ended.
void Recordings::forget(std::map<Key, Recording>::iterator recording) {
  for (const cudaGraphExec_t graph : recording->second.graphs) {
    if (graph != nullptr) cudaGraphExecDestroy(graph);
  }
  recordings_.erase(recording);
}

bool Recordings::begin(const Key &key, int32_t turn) {
  graph_ = nullptr;
  const bool known = recordings_.find(key) != recordings_.end();
  if (!known && recordings_.size() == kMost) {
    forget(std::min_element(recordings_.begin(), recordings_.end(),
                            [](const auto &a, const auto &b) { return a.second.last_use < b.second.last_use; }));
  }
  Recording &recording = recordings_[key];
  recording.last_use = ++uses_;
  if (!known || place_.failure() != nullptr) return true;
  graph_ = &recording.graphs[turn];
  if (*graph_ != nullptr) return false;
  place_.check(cudaStreamBeginCapture(place_.stream(), cudaStreamCaptureModeThreadLocal), "recording a segment");
  return true;
}

void Recordings::end() {
  if (graph_ == nullptr) return;
  if (*graph_ == nullptr) {
    cudaGraph_t graph = nullptr;
    place_.check(cudaStreamEndCapture(place_.stream(), &graph), "recording a segment");
    if (graph == nullptr) return;
    place_.check(cudaGraphInstantiateWithFlags(graph_, graph, 0), "preparing a segment");
    cudaGraphDestroy(graph);
    if (*graph_ == nullptr) return;
  }
  place_.check(cudaGraphLaunch(*graph_, place_.stream()), "starting a segment");
}

}  // namespace rmt::cuda
