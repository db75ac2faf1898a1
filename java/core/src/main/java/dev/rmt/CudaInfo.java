package dev.rmt;

import java.util.Optional;

/**
 * What this program and this machine have for GPUs, usable or not.
 *
 * @param library librmt_cuda: its path, or its name where the system was left to find it
 * @param origin who says where it is: "the artifact dev.rmt:rmt-cuda"
 * @param builtWith version of CUDA that the library was built with, "12.4"; empty: it does not load
 * @param driver newest version of CUDA that the driver runs, "13.0"; empty: there is no driver, or no library to ask it
 * @param numDevices GPUs that the driver shows
 * @param problem why no GPU can be used, in one sentence; empty: one can
 * @param presets what the JavaCPP CUDA presets say of this machine, or why they cannot be used, which takes nothing from
 *     the GPU; empty: the artifact that uses them is not there
 */
public record CudaInfo(
        String library,
        String origin,
        Optional<String> builtWith,
        Optional<String> driver,
        int numDevices,
        Optional<String> problem,
        Optional<String> presets) {}
