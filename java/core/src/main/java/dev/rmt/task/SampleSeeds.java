package dev.rmt.task;

/** Turns a run's seed and a sample's number into the seed of that sample. */
public final class SampleSeeds {
    static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private SampleSeeds() {}

    /** The seed of sample number {@code index} in a run with {@code seed}; neighbours have nothing in common. */
    public static long of(long seed, long index) {
        return mix(mix(seed) + GOLDEN_GAMMA * (index + 1));
    }

    /** The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit. */
    static long mix(long z) {
        long a = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        long b = (a ^ (a >>> 27)) * 0x94D049BB133111EBL;
        return b ^ (b >>> 31);
    }
}
