package dev.rmt;

import dev.rmt.internal.NativeCuda;
import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeLibrary;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A place to compute: the CPU or a GPU. Cheap to make and never closed: its pool of threads, or what it needs on the GPU,
 * exists while a model is loaded on it, and all models made with the same {@code Device} object share it. Safe for many
 * threads.
 */
public final class Device {
    /**
     * The native library in use.
     *
     * @param file where it was loaded from
     * @param cpuIsas instruction sets that it holds and this processor can run, best first
     */
    public record Library(String version, Path file, List<String> cpuIsas) {}

    private static final int ALL_THREADS = 0;
    private static final int CPU = -1;
    private static final String AUTO = "auto";

    private final int index;
    private final Precision precision;
    private final int askedThreads;
    private final String notice;
    private NativeDevice pool;
    private int users;
    private int knownThreads;

    private Device(int index, Precision precision, int askedThreads, String notice) {
        this.index = index;
        this.precision = precision;
        this.askedThreads = askedThreads;
        this.notice = notice;
        this.knownThreads = askedThreads;
    }

    /** The CPU with as many threads as this process may use: affinity and cgroup quota. */
    public static Device cpu() {
        return new Device(CPU, Precision.FP32, ALL_THREADS, null);
    }

    /** @param threads threads that compute, the calling one included, 1 or more */
    public static Device cpu(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("The number of threads is " + threads + "; it must be 1 or more.");
        }
        return new Device(CPU, Precision.FP32, threads, null);
    }

    /**
     * A GPU that computes in fp32.
     *
     * @param index which one, from 0
     * @throws DeviceException with the reason if it cannot be used
     */
    public static Device cuda(int index) {
        return cuda(index, Precision.FP32);
    }

    /**
     * A GPU.
     *
     * @param index which one, from 0
     * @throws DeviceException with the reason if it cannot be used, or not with this precision
     * @throws MemoryBudgetException if its memory is taken
     */
    public static Device cuda(int index, Precision precision) {
        if (index < 0) {
            throw new IllegalArgumentException("The GPU index is " + index + "; it must be 0 or more.");
        }
        Device device = new Device(index, Objects.requireNonNull(precision, "precision"), ALL_THREADS, null);
        device.info();
        return device;
    }

    /** GPU 0 if it can be used, else the CPU; {@link #notice()} says why. */
    public static Device best() {
        return best(ALL_THREADS);
    }

    private static Device best(int threads) {
        try {
            return cuda(0);
        } catch (DeviceException | MemoryBudgetException e) {
            return new Device(CPU, Precision.FP32, threads, e.getMessage());
        }
    }

    /**
     * A device in fp32 by name.
     *
     * @param spec "auto", "cpu", "cuda" or "cuda:INDEX", in any case
     * @param threads threads of a CPU; 0: all
     * @throws DeviceException if the device is not there
     */
    public static Device parse(String spec, int threads) {
        return parse(spec, threads, Precision.FP32);
    }

    /**
     * A device by name.
     *
     * @param spec "auto", "cpu", "cuda" or "cuda:INDEX", in any case; auto takes the CPU only in fp32
     * @param threads threads of a CPU; 0: all
     * @throws DeviceException if the device is not there, or not with this precision
     */
    public static Device parse(String spec, int threads, Precision precision) {
        if (threads < 0) {
            throw new IllegalArgumentException("The number of threads is " + threads + "; it must be 0 (all) or more.");
        }
        String device = spec.toLowerCase(Locale.ROOT);
        if (device.equals(AUTO)) {
            return precision == Precision.FP32 ? best(threads) : cuda(0, precision);
        }
        if (device.equals("cpu")) {
            if (precision != Precision.FP32) {
                throw new IllegalArgumentException("The CPU computes in FP32 only, not in " + precision + ".");
            }
            return threads == ALL_THREADS ? cpu() : cpu(threads);
        }
        if (device.matches("cuda(:[0-9]{1,4})?")) {
            return cuda(device.contains(":") ? Integer.parseInt(device.substring("cuda:".length())) : 0, precision);
        }
        throw new IllegalArgumentException("There is no device \"" + spec + "\"; use auto, cpu, cuda or cuda:INDEX.");
    }

    /** "cpu" or "cuda". */
    public String name() {
        return index == CPU ? "cpu" : "cuda";
    }

    /** Which GPU; -1: the CPU. */
    public int index() {
        return index;
    }

    /** Of matrix products. */
    public Precision precision() {
        return precision;
    }

    /** Why it is the CPU, where {@link #best()} or "auto" would rather have had a GPU: one sentence. */
    public Optional<String> notice() {
        return Optional.ofNullable(notice);
    }

    /** Threads that compute, the calling one included. */
    public synchronized int threads() {
        return knownThreads == ALL_THREADS ? info().threads() : knownThreads;
    }

    /**
     * What the native library says of the device now.
     *
     * @throws DeviceException if the library cannot be loaded
     */
    public synchronized DeviceInfo info() {
        NativeDevice device = acquire();
        try {
            DeviceInfo info = device.info();
            knownThreads = info.threads();
            return info;
        } finally {
            release();
        }
    }

    /**
     * Floating-point operations that the products of all segments read on this device have cost since a model was loaded on it,
     * counted where they are computed: a product and a sum count 1 each, for linears, attention, pooler and classifier, with
     * what only fills up tiles; not for sums with biases and residuals, norms, GELU, softmax and embeddings, and not in
     * training. The count goes on while at least one model is loaded. {@link dev.rmt.flops.ExactFlops} knows it beforehand.
     *
     * @return empty: a GPU, which does not count
     * @throws DeviceException if the library cannot be loaded
     */
    public synchronized OptionalLong operations() {
        NativeDevice device = acquire();
        try {
            return device.operations();
        } finally {
            release();
        }
    }

    /**
     * Loads the native library and says what it is.
     *
     * @throws DeviceException if it cannot be loaded
     */
    public static Library library() {
        return new Library(NativeLibrary.version(), NativeLibrary.file(), NativeLibrary.cpuIsas());
    }

    /**
     * Says what there is for GPUs, usable or not.
     *
     * @throws DeviceException if the native library itself cannot be loaded
     */
    public static CudaInfo cudaInfo() {
        return NativeCuda.info();
    }

    /** The pool, made for the first user. Every call needs one of {@link #release}. */
    synchronized NativeDevice acquire() {
        if (users == 0) {
            pool = index == CPU ? NativeDevice.cpu(askedThreads) : NativeDevice.cuda(index, precision);
        }
        users++;
        return pool;
    }

    synchronized void release() {
        users--;
        if (users == 0) {
            pool.close();
            pool = null;
        }
    }

    @Override
    public String toString() {
        if (index != CPU) {
            return name() + ":" + index + (precision == Precision.FP32 ? "" : " (" + precision + ")");
        }
        return askedThreads == ALL_THREADS ? name() : name() + " (" + askedThreads + " threads)";
    }
}
