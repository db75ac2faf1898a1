package dev.rmt;

/**
 * What a device is, as the native library reports it.
 *
 * @param name "cpu"
 * @param isa instruction set that runs: "avx512", "avx2", "portable" or "reference"
 * @param threads threads that compute, the calling one included
 * @param availableBytes memory that could be taken now: free memory, cgroup limit
 */
public record DeviceInfo(String name, String isa, int threads, long availableBytes) {}
