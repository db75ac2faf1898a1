package dev.rmt;

/** Precision of matrix products on a GPU; whatever is kept is fp32. In the order of rmt.h. */
public enum Precision {
    /** What everything else is measured by, and all that the CPU and older GPUs have. */
    FP32,
    /** Factors cut to 10 bits behind the point; needs cuBLAS and a compute capability of 8.0. */
    TF32,
    /** Factors cut to 7 bits behind the point; needs cuBLAS and a compute capability of 8.0. */
    BF16
}
