package dev.rmt.benchmarks;

import dev.rmt.internal.NativeLibrary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * What the processor could do at best in the moment after an iteration: GFLOP/s of fused multiply-adds on registers, with the
 * instruction set and threads of the benchmark. {@code -prof dev.rmt.benchmarks.FmaPeak:FILE} names the program that
 * measures it, {@code native/bench/fma_peak.cpp}.
 */
public final class FmaPeak implements InternalProfiler {
    /** How results name it. */
    public static final String LABEL = "peak";

    private static final long LIMIT_SECONDS = 20;

    private final Path program;

    /** @param program as JMH gives it; empty or no file: there is no peak */
    public FmaPeak(String program) {
        this.program = Path.of(program);
    }

    @Override
    public String getDescription() {
        return "Peak of fused multiply-adds";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {}

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        String threads = parameter(benchmark, "threads", "1");
        double gflops = gflops(parameter(benchmark, "isa", SeededEncoder.DEFAULT_ISA), Integer.parseInt(threads));
        return Double.isNaN(gflops)
                ? List.of()
                : List.of(new ScalarResult(LABEL, gflops, "GFLOP/s", AggregationPolicy.MAX));
    }

    private static String parameter(BenchmarkParams benchmark, String name, String otherwise) {
        return benchmark.getParamsKeys().contains(name) ? benchmark.getParam(name) : otherwise;
    }

    /** NaN where it cannot be measured: no program, or no such loop in it. */
    public double gflops(String isa, int threads) {
        if (!Files.isExecutable(program) || Files.isDirectory(program)) {
            return Double.NaN;
        }
        String loop = isa.equals(SeededEncoder.DEFAULT_ISA) ? defaultIsa() : isa;
        if (loop.equals(SeededEncoder.REFERENCE)) {
            loop = "portable"; // it has no loop of its own; this is what a compiler makes of plain C++
        }
        try {
            Process process = new ProcessBuilder(program.toString(), loop, Integer.toString(threads))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).trim();
            if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                return Double.NaN;
            }
            double gflops = process.exitValue() == 0 ? Double.parseDouble(printed) : 0;
            return gflops > 0 ? gflops : Double.NaN;
        } catch (IOException | NumberFormatException e) {
            return Double.NaN;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Double.NaN;
        }
    }

    private static String defaultIsa() {
        String asked = System.getenv("RMT_CPU_ISA");
        return asked != null && !asked.isEmpty()
                ? asked
                : NativeLibrary.cpuIsas().get(0);
    }
}
