package dev.rmt.benchmarks;

import dev.rmt.internal.NativeLibrary;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What it costs to go from Java into the native library and back. The cost of a call is {@link #call} less
 * {@link #withoutCall}, which does all the rest. A segment takes one call; compare with {@link SegmentForward}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(3)
public class NativeCall {
    /** The check that the library is loaded, and a call of a native function that returns a constant. */
    @Benchmark
    public int call() {
        return NativeLibrary.abiVersion();
    }

    /** The check alone. */
    @Benchmark
    public void withoutCall() {
        NativeLibrary.load();
    }
}
