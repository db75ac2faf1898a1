package dev.rmt;

import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeLibrary;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * A place to compute. Cheap to make and never closed: its pool of threads exists while a model is loaded on it, and all
 * models made with the same {@code Device} object share it. Safe for many threads.
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
    private static final String NO_CUDA = "This build of rmt has no CUDA; use the device cpu.";

    private final int askedThreads;
    private NativeDevice pool;
    private int users;
    private int knownThreads;

    private Device(int askedThreads) {
        this.askedThreads = askedThreads;
        this.knownThreads = askedThreads;
    }

    /** The CPU with as many threads as this process may use: affinity and cgroup quota. */
    public static Device cpu() {
        return new Device(ALL_THREADS);
    }

    /** @param threads threads that compute, the calling one included, 1 or more */
    public static Device cpu(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("The number of threads is " + threads + "; it must be 1 or more.");
        }
        return new Device(threads);
    }

    /**
     * @param index which GPU
     * @throws DeviceException always: this build has no CUDA
     */
    public static Device cuda(int index) {
        if (index < 0) {
            throw new IllegalArgumentException("The GPU index is " + index + "; it must be 0 or more.");
        }
        throw new DeviceException(NO_CUDA);
    }

    /** The fastest device of this machine that this build can use: the CPU. */
    public static Device best() {
        return cpu();
    }

    /**
     * @param spec "auto", "cpu", "cuda" or "cuda:INDEX", in any case
     * @param threads threads of a CPU; 0: all
     * @throws DeviceException if the device is not there
     */
    public static Device parse(String spec, int threads) {
        if (threads < 0) {
            throw new IllegalArgumentException("The number of threads is " + threads + "; it must be 0 (all) or more.");
        }
        String device = spec.toLowerCase(Locale.ROOT);
        if (device.equals("auto") || device.equals("cpu")) {
            return threads == ALL_THREADS ? cpu() : cpu(threads);
        }
        if (device.matches("cuda(:[0-9]{1,4})?")) {
            return cuda(device.contains(":") ? Integer.parseInt(device.substring("cuda:".length())) : 0);
        }
        throw new IllegalArgumentException("There is no device \"" + spec + "\"; use auto, cpu, cuda or cuda:INDEX.");
    }

    /** "cpu". */
    public String name() {
        return "cpu";
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
     * Loads the native library and says what it is.
     *
     * @throws DeviceException if it cannot be loaded
     */
    public static Library library() {
        return new Library(NativeLibrary.version(), NativeLibrary.file(), NativeLibrary.cpuIsas());
    }

    /** The pool, made for the first user. Every call needs one of {@link #release}. */
    synchronized NativeDevice acquire() {
        if (users == 0) {
            pool = NativeDevice.cpu(askedThreads);
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
        return askedThreads == ALL_THREADS ? name() : name() + " (" + askedThreads + " threads)";
    }
}
