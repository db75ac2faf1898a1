package dev.rmt.checkpoint;

/**
 * Normal random numbers that are a pure function of a seed, a name and an index: they can be asked for in any order and any
 * pieces, and are the same on every machine.
 */
final class SeededNormal {
    private static final long GOLDEN_GAMMA = 0x9e3779b97f4a7c15L;
    private static final double TWO_POW_MINUS_53 = 0x1p-53;

    private final long key;
    private final double standardDeviation;

    SeededNormal(long seed, String name, double standardDeviation) {
        long hash = mix(seed + GOLDEN_GAMMA);
        for (int i = 0; i < name.length(); i++) {
            hash = mix(hash + GOLDEN_GAMMA + name.charAt(i));
        }
        this.key = hash;
        this.standardDeviation = standardDeviation;
    }

    /** Writes N(0, sd) values of the indices {@code first ... first + count - 1} to {@code dst[offset ...]}. */
    void fill(long first, float[] dst, int offset, int count) {
        for (int i = 0; i < count; ) {
            long index = first + i;
            // Indices 2k and 2k + 1 are the two results of one Box-Muller pair. StrictMath: the same bits everywhere.
            long pair = index >>> 1;
            double radius = standardDeviation * StrictMath.sqrt(-2 * StrictMath.log(1 - uniform(2 * pair)));
            double angle = 2 * Math.PI * uniform(2 * pair + 1);
            if ((index & 1) == 0) {
                dst[offset + i++] = (float) (radius * StrictMath.cos(angle));
            }
            if (i < count) {
                dst[offset + i++] = (float) (radius * StrictMath.sin(angle));
            }
        }
    }

    /** In [0, 1). */
    private double uniform(long counter) {
        return (mix(key + counter * GOLDEN_GAMMA) >>> 11) * TWO_POW_MINUS_53;
    }

    /** The finalizer of SplitMix64: every input bit changes every output bit with probability near one half. */
    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }
}
