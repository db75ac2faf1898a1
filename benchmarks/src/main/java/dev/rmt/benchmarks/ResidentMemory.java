package dev.rmt.benchmarks;

import dev.rmt.eval.PeakMemory;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/** Peak of the resident memory of the process in an iteration, where Linux counts it. */
public final class ResidentMemory implements InternalProfiler {
    /** How results name it. */
    public static final String LABEL = "resident";

    private PeakMemory peak;

    @Override
    public String getDescription() {
        return "Peak of the resident memory of the process";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
        peak = PeakMemory.start();
    }

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        long bytes = peak.bytes();
        return bytes < 0 ? List.of() : List.of(new ScalarResult(LABEL, bytes, "bytes", AggregationPolicy.MAX));
    }
}
