/**
 * What reading costs in floating-point operations: by the paper's formula ({@link dev.rmt.flops.PaperFlops}) for any transformer,
 * and to the operation for the kernels of this library ({@link dev.rmt.flops.ExactFlops}).
 */
package dev.rmt.flops;
