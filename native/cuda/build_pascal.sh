#!/usr/bin/env bash
# Builds librmt_cuda for the GTX 1080 Ti (sm_61) and for Hopper (sm_90) with CUDA 12.4, and prints what each kernel takes:
# CUDA 13 has forgotten Pascal. The toolkit comes from Debian 13's non-free packages, is unpacked into a folder of our own
# and installed nowhere; 1 GB is loaded the first time. For Debian 12 and 13 on x86-64, with g++ 12 and CMake.
#   native/cuda/build_pascal.sh [folder, native/build-pascal by default]
set -euo pipefail
native=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$native/build-pascal}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
toolkit=$folder/cuda-12.4

# apt with a state of its own, so that the system's knows nothing of Debian 13. The mirror is the system's.
fetch_packages() {
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
  mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/packages.part"
  echo "deb $mirror trixie main contrib non-free" >"$folder/apt/sources.list"
  local apt=(apt-get -q -o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache" -o APT::Sandbox::User=root)
  "${apt[@]}" update
  (cd "$folder/packages.part" &&
    "${apt[@]}" download nvidia-cuda-toolkit nvidia-cuda-dev libnvvm4 libcu++-dev libcub-dev libthrust-dev)
  mv "$folder/packages.part" "$folder/packages"
}

# The packages spread the toolkit over the system; nvcc finds its parts again when they lie as NVIDIA ships them.
lay_out_toolkit() {
  local unpacked=$folder/unpacked package
  mkdir -p "$unpacked"
  for package in "$folder"/packages/*.deb; do # without what takes most of the room: libraries that rmt does not use
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$unpacked" --exclude='*.so' --exclude='libcu[bfs]*.a' \
      --exclude='libcurand*.a' --exclude='libn[pv]*.a' --exclude='*/compute-sanitizer*' --exclude='./usr/share/*'
  done
  local parts=$toolkit.part
  rm -rf "$parts"
  mkdir -p "$parts/bin" "$parts/nvvm/bin"
  mv "$unpacked/usr/include" "$parts/include"
  mv "$unpacked/usr/lib/x86_64-linux-gnu" "$parts/lib64"
  rm -f "$unpacked/usr/bin/nvcc" # Debian's wrapper
  mv "$unpacked"/usr/bin/* "$parts/bin"
  mv "$unpacked/usr/lib/nvidia-cuda-toolkit/bin/cicc" "$parts/nvvm/bin"
  mv "$unpacked/usr/lib/nvidia-cuda-toolkit/libdevice" "$parts/nvvm"
  mv "$unpacked/usr/lib/nvidia-cuda-toolkit/bin/nvcc" "$unpacked/usr/lib/nvidia-cuda-toolkit/bin/crt" "$parts/bin"
  cat >"$parts/bin/nvcc.profile" <<'PROFILE'
TOP = $(_HERE_)/..
NVVMIR_LIBRARY_DIR = $(TOP)/nvvm/libdevice
LD_LIBRARY_PATH += $(TOP)/lib64:
PATH += $(TOP)/nvvm/bin:$(_HERE_):
INCLUDES += "-I$(TOP)/include" $(_SPACE_)
LIBRARIES =+ $(_SPACE_) "-L$(TOP)/lib64"
PROFILE
  rm -rf "$unpacked"
  mv "$parts" "$toolkit"
}

if [[ ! -x $toolkit/bin/nvcc ]]; then
  if [[ ! -d $folder/packages ]]; then fetch_packages; fi
  lay_out_toolkit
  rm -rf "$folder/packages" "$folder/apt"
fi
"$toolkit/bin/nvcc" --version | tail -n 2

cmake -S "$native" -B "$folder/build" -DRMT_CUDA=ON -DRMT_WERROR=ON -DCMAKE_CUDA_COMPILER="$toolkit/bin/nvcc" \
  -DCUDAToolkit_ROOT="$toolkit" -DRMT_CUDA_ARCHITECTURES="61-real;90-real;90-virtual"
cmake --build "$folder/build" --target rmt_cuda --parallel "${JOBS:-2}"
(cd "$folder/build" && ctest -V -R '^cuda_resources$')
ls -l "$folder/build/librmt_cuda.so"
