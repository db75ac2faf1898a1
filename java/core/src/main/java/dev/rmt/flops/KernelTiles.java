package dev.rmt.flops;

import java.util.Locale;

/**
 * Sizes that the kernels of an instruction set work in; what is smaller is filled up to them. The same as in
 * native/src/kernels/cpu/simd.h; a test compares what follows from them with what the kernels count.
 *
 * @param lanes rows of one vector
 * @param rows of a panel, a multiple of lanes
 * @param columns outputs of a linear come in multiples of this
 * @param keys of attention come in multiples of this
 */
record KernelTiles(int lanes, int rows, int columns, int keys) {
    private static final boolean ARM =
            System.getProperty("os.arch", "").toLowerCase(Locale.ROOT).contains("aarch64");

    /** @throws IllegalArgumentException if there is no such instruction set */
    static KernelTiles of(String isa) {
        return switch (isa) {
            case "avx512" -> new KernelTiles(16, 32, 4, 8);
            case "avx2" -> new KernelTiles(8, 16, 2, 4);
            case "portable" -> ARM ? new KernelTiles(4, 16, 2, 4) : new KernelTiles(4, 16, 2, 2);
            case "reference" -> new KernelTiles(1, 1, 1, 1);
            default ->
                throw new IllegalArgumentException(
                        "The operations of \"" + isa + "\" are not known; avx512, avx2, portable and reference are.");
        };
    }

    static long roundUp(long value, int multiple) {
        return (value + multiple - 1) / multiple * multiple;
    }
}
