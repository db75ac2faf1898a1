package dev.rmt.internal;

import dev.rmt.Device;
import dev.rmt.DeviceInfo;
import dev.rmt.Precision;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalLong;

/** A native device: a pool of threads, or a GPU. Models made on it keep it alive after {@link #close()}. */
public final class NativeDevice implements AutoCloseable {
    private long handle;

    private NativeDevice(long handle) {
        this.handle = handle;
    }

    /**
     * @param threads threads that compute, the calling one included; 0: as many as the process may use
     * @throws dev.rmt.DeviceException if the library cannot be loaded or the instruction set asked for by RMT_CPU_ISA
     *     cannot run
     */
    public static NativeDevice cpu(int threads) {
        return cpu(threads, null);
    }

    /** @param isa one of {@link NativeLibrary#cpuIsas()}; null: that of RMT_CPU_ISA, else the best */
    public static NativeDevice cpu(int threads, String isa) {
        NativeLibrary.load();
        long[] device = new long[1];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        byte[] name = isa == null ? null : (isa + "\0").getBytes(StandardCharsets.UTF_8);
        NativeErrors.check(Rmt.deviceCreate(threads, NativeErrors.bytes(isa), device, error, error.length), error);
        return new NativeDevice(device[0]);
    }

    /**
     * @param index which GPU
     * @throws dev.rmt.DeviceException if it cannot be used: no library, no driver, no such GPU ...
     */
    public static NativeDevice cuda(int index, Precision precision) {
        return new NativeDevice(NativeCuda.open(index, precision));
    }

    /** One of its own for whom does not share that of {@code device}. */
    public static NativeDevice of(Device device) {
        return device.index() < 0 ? cpu(device.threads()) : cuda(device.index(), device.precision());
    }

    public synchronized DeviceInfo info() {
        byte[] name = new byte[32];
        byte[] isa = new byte[16];
        byte[] model = new byte[128];
        byte[] products = new byte[160];
        byte[] precision = new byte[8];
        long[] numbers = new long[5];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        NativeErrors.check(
                Rmt.deviceInfo(handle(), name, isa, model, products, precision, numbers, error, error.length), error);
        Optional<DeviceInfo.Gpu> gpu = numbers[2] < 0
                ? Optional.empty()
                : Optional.of(new DeviceInfo.Gpu(
                        Math.toIntExact(numbers[2]),
                        NativeErrors.string(model),
                        numbers[3] / 10 + "." + numbers[3] % 10,
                        numbers[4],
                        NativeErrors.string(products),
                        NativeErrors.string(precision)));
        return new DeviceInfo(
                NativeErrors.string(name), NativeErrors.string(isa), Math.toIntExact(numbers[0]), numbers[1], gpu);
    }

    /** What {@link Device#operations()} says; empty: a GPU. */
    public synchronized OptionalLong operations() {
        long[] operations = new long[1];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        NativeErrors.check(Rmt.deviceOperations(handle(), operations, error, error.length), error);
        return operations[0] < 0 ? OptionalLong.empty() : OptionalLong.of(operations[0]);
    }

    /** Valid only while the caller holds this object's monitor. */
    long handle() {
        if (handle == 0) {
            throw new IllegalStateException("The device is closed.");
        }
        return handle;
    }

    @Override
    public synchronized void close() {
        if (handle != 0) {
            Rmt.deviceDestroy(handle);
            handle = 0;
        }
    }
}
