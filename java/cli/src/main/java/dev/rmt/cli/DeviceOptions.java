package dev.rmt.cli;

import dev.rmt.Device;
import dev.rmt.Precision;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Where to compute. */
final class DeviceOptions {
    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            converter = Converters.DeviceSpec.class,
            defaultValue = "auto",
            description = {
                "auto (default), cpu, cuda or cuda:INDEX.",
                "auto takes the best device that works and says which; cuda works or fails with the reason."
            })
    String device;

    @Option(
            names = "--threads",
            paramLabel = "N",
            converter = Converters.Threads.class,
            description = "Threads that compute (default: as many as this process may use).")
    Integer threads;

    @Option(
            names = "--precision",
            paramLabel = "PRECISION",
            defaultValue = "fp32",
            description = "Of matrix products on a GPU: fp32 (default), tf32 or bf16.")
    Precision precision;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    Device open() {
        if (device.equals("cpu") && precision != Precision.FP32) {
            throw new ParameterException(
                    command.commandLine(),
                    "--precision " + precision.name().toLowerCase(Locale.ROOT)
                            + " is for a GPU; the CPU computes in fp32.");
        }
        return Device.parse(device, threads == null ? 0 : threads, precision);
    }
}
