package dev.rmt.cli;

import dev.rmt.CudaInfo;
import dev.rmt.Device;
import dev.rmt.DeviceException;
import dev.rmt.DeviceInfo;
import dev.rmt.MemoryBudgetException;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code rmt doctor}: what this machine offers, and whether the chosen device computes. */
@Command(
        name = "doctor",
        header = "Say what this machine offers, and whether the device works.",
        customSynopsis = "java -jar rmt.jar doctor [OPTIONS]",
        description = {
            "",
            "Says what rmt finds on this machine (processor, memory, JDK, C library, native library, devices) and runs one"
                    + " segment on the chosen device. Ends with 0 if that works, with 3 if not."
        },
        footer = {
            "  Is this machine fit?",
            "    java -jar rmt.jar doctor",
            "  Does the slowest path work too?",
            "    RMT_CPU_ISA=portable java -jar rmt.jar doctor --threads 1"
        })
final class DoctorCommand implements Callable<Integer> {
    @Mixin
    private DeviceOptions device;

    @Override
    public Integer call() {
        PrintStream out = System.out;
        Machine machine = Machine.look();
        out.println("rmt         " + Version.CURRENT);
        out.println("system      " + machine.system());
        out.println("processors  " + Runtime.getRuntime().availableProcessors() + " for this process"
                + machine.cpuLimit()
                        .map(limit -> " (cgroup limit: " + limit + ")")
                        .orElse(""));
        out.println("memory      " + machine.memory());
        out.println(
                "java        " + System.getProperty("java.version") + " (" + System.getProperty("java.vendor") + "), "
                        + System.getProperty("java.home") + ", heap of at most "
                        + Text.bytes(Runtime.getRuntime().maxMemory()));
        out.println("c library   " + machine.cLibrary());
        out.flush();
        try {
            Device.Library library = Device.library();
            out.println("native      librmt " + library.version() + ", loaded from " + library.file()
                    + Machine.neededGlibc(library.file())
                            .map(v -> ", needs glibc " + v)
                            .orElse(""));
            out.println("cpu         can run " + String.join(", ", library.cpuIsas()) + environment());
            cuda(out, Device.cudaInfo());
            Device chosen = device.open();
            DeviceInfo info = chosen.info();
            out.println("device      " + Headers.device(info) + ", " + Text.bytes(info.availableBytes())
                    + " could be taken" + (device.device.equals("auto") ? ", chosen by auto" : ""));
            out.println("test        " + trySegment(chosen));
            out.println("All is well: " + info.name() + " works.");
            return ExitCodes.OK;
        } catch (DeviceException | LinkageError e) {
            out.flush();
            System.err.println(Failures.sentence(e, false));
            return ExitCodes.DEVICE;
        }
    }

    private static String environment() {
        String forced = System.getenv("RMT_CPU_ISA");
        return forced == null || forced.isEmpty() ? "" : "; RMT_CPU_ISA asks for " + forced;
    }

    /** The library, the driver, each GPU, and what the presets say. */
    private void cuda(PrintStream out, CudaInfo cuda) {
        cuda.builtWith()
                .ifPresent(version -> out.println(
                        "cuda        " + cuda.library() + " (named by " + cuda.origin() + "), built with CUDA "
                                + version + "; "
                                + cuda.driver()
                                        .map(driver -> "the driver runs CUDA up to " + driver)
                                        .orElse("no driver")));
        cuda.problem().ifPresent(problem -> out.println("cuda        " + problem));
        for (int index = 0; cuda.problem().isEmpty() && index < cuda.numDevices(); index++) {
            out.println("gpu " + index + "       " + gpu(index));
        }
        cuda.presets().ifPresent(presets -> out.println("presets     " + presets));
    }

    private String gpu(int index) {
        try {
            DeviceInfo info = Device.cuda(index, device.precision).info();
            DeviceInfo.Gpu gpu = info.gpu().orElseThrow();
            return gpu.model() + ", " + info.arithmetic() + ", " + Text.bytes(gpu.totalBytes()) + ", "
                    + Text.bytes(info.availableBytes()) + " free";
        } catch (DeviceException | MemoryBudgetException e) {
            return e.getMessage();
        }
    }

    /** Runs one segment on random weights and looks at what comes out. */
    private static String trySegment(Device chosen) {
        try (RmtModel model = RmtModel.builtIn(chosen);
                RmtSession session = model.newSession()) {
            int[] ids = new int[model.config().segmentSize()];
            Arrays.setAll(ids, i -> i % model.config().vocabSize());
            session.read(ids); // the first call pays for pages and code
            long start = System.nanoTime();
            session.read(ids);
            double milliseconds = (System.nanoTime() - start) / 1e6;
            for (float value : session.memory().values()) {
                if (!Float.isFinite(value)) {
                    throw new DeviceException("The device computes nonsense: memory holds " + value + ".");
                }
            }
            return "one segment of the built-in model took " + Text.number(milliseconds) + " ms";
        }
    }
}
