package dev.rmt.cli;

import dev.rmt.Device;
import picocli.CommandLine.Option;

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

    Device open() {
        return Device.parse(device, threads == null ? 0 : threads);
    }
}
