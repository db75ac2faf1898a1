/** GPUs for {@code dev.rmt}: the native library, and the JavaCPP CUDA presets where they can be used. Exports nothing. */
module dev.rmt.cuda {
    requires dev.rmt;
    // Optional at run time, too: what cannot be used is said and takes nothing from the GPU.
    requires static org.bytedeco.cuda;
    requires static org.bytedeco.javacpp;

    provides dev.rmt.internal.CudaProvider with
            dev.rmt.cuda.CudaArtifact;
}
