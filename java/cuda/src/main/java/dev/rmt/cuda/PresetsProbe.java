package dev.rmt.cuda;

import java.nio.file.Path;
import java.util.Optional;

/**
 * What the JavaCPP CUDA presets say of this machine, asked once: a preset class that could not be loaded is dead for the
 * rest of the JVM, and its second use says nothing of the reason.
 *
 * @param text for people: what was found, or why the presets cannot be used
 * @param cublas the cuBLAS that they loaded
 */
record PresetsProbe(String text, Optional<Path> cublas) {
    private static PresetsProbe result;

    /** The same each time. */
    static synchronized PresetsProbe result() {
        if (result == null) {
            result = ask();
        }
        return result;
    }

    /** In a thread of its own: CUDA ties a GPU to the thread that asks, and the caller's must stay as it is. */
    private static PresetsProbe ask() {
        PresetsProbe[] result = new PresetsProbe[1];
        Thread thread = new Thread(() -> result[0] = look(), "rmt-cuda-presets");
        thread.setDaemon(true);
        thread.start();
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return result[0];
    }

    private static PresetsProbe look() {
        String devices;
        try {
            devices = Presets.devices();
        } catch (LinkageError | RuntimeException e) {
            return new PresetsProbe("cannot be used: " + reason(e), Optional.empty());
        }
        try {
            Presets.Cublas cublas = Presets.cublas();
            return new PresetsProbe(devices + "; " + cublas.text(), cublas.file());
        } catch (LinkageError | RuntimeException e) {
            return new PresetsProbe(devices + "; no cuBLAS: " + reason(e), Optional.empty());
        }
    }

    /** What lies at the bottom: JavaCPP wraps what the system's loader said. */
    private static String reason(Throwable failure) {
        if (failure instanceof NoClassDefFoundError) {
            return "org.bytedeco:cuda is not on the class path";
        }
        Throwable deepest = failure;
        while (deepest.getCause() != null && deepest.getCause() != deepest) {
            deepest = deepest.getCause();
        }
        return String.valueOf(deepest.getMessage());
    }
}
