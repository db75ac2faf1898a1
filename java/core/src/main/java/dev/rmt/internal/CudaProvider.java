package dev.rmt.internal;

import java.net.URL;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What the artifact dev.rmt:rmt-cuda brings. It is found as a service, so that whoever wants GPUs adds one dependency and
 * nobody else carries it.
 */
public interface CudaProvider {
    /**
     * The native library as a resource; empty: the artifact was built without CUDA.
     *
     * @param platform "linux-x86_64"
     * @param file "librmt_cuda.so"
     */
    Optional<URL> library(String platform, String file);

    /** The cuBLAS that the JavaCPP presets find; empty: they cannot be used or find none. */
    Optional<Path> cublas();

    /** What the JavaCPP presets say of this machine, or why they cannot be used. */
    String presets();
}
