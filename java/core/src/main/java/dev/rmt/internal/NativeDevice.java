package dev.rmt.internal;

import dev.rmt.DeviceInfo;

/** A native device: a pool of threads. Models made on it keep it alive after {@link #close()}. */
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
        NativeLibrary.load();
        long[] device = new long[1];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        NativeErrors.check(Rmt.deviceCreate(threads, null, device, error, error.length), error);
        return new NativeDevice(device[0]);
    }

    public synchronized DeviceInfo info() {
        byte[] name = new byte[32];
        byte[] isa = new byte[16];
        long[] numbers = new long[2];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        NativeErrors.check(Rmt.deviceInfo(handle(), name, isa, numbers, error, error.length), error);
        return new DeviceInfo(
                NativeErrors.string(name), NativeErrors.string(isa), Math.toIntExact(numbers[0]), numbers[1]);
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
