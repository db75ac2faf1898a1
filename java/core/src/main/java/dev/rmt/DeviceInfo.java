package dev.rmt;

import java.util.Optional;

/**
 * What a device is, as the native library reports it.
 *
 * @param name "cpu" or "cuda"
 * @param isa instruction set that runs: "avx512", "avx2", "portable" or "reference"; "" on a GPU
 * @param threads threads that compute, the calling one included
 * @param availableBytes memory that could be taken now: free memory, cgroup limit; free memory of the GPU
 * @param gpu empty: it is the CPU
 */
public record DeviceInfo(String name, String isa, int threads, long availableBytes, Optional<Gpu> gpu) {
    /**
     * A GPU.
     *
     * @param index which one, from 0
     * @param model as its driver calls it
     * @param computeCapability "6.1"
     * @param totalBytes its memory
     * @param products what computes matrix products: "own", or "cuBLAS 12.4 from /usr/lib/..."
     * @param precision of matrix products: "fp32", "tf32" or "bf16"
     */
    public record Gpu(
            int index, String model, String computeCapability, long totalBytes, String products, String precision) {}

    /** What decides the bits of a result: the instruction set, or what computes on the GPU, and how. */
    public String arithmetic() {
        return gpu.map(it -> "compute capability " + it.computeCapability() + ", " + it.precision() + ", products "
                        + it.products())
                .orElse(isa);
    }
}
