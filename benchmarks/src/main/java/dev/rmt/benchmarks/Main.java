package dev.rmt.benchmarks;

import dev.rmt.benchmarks.report.ReportCommand;
import java.io.IOException;
import java.util.Arrays;
import picocli.CommandLine;

/** {@code java -jar benchmarks.jar report ...} makes the report; everything else goes to JMH. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments.length > 0 && arguments[0].equals(ReportCommand.NAME)) {
            String[] rest = Arrays.copyOfRange(arguments, 1, arguments.length);
            System.exit(new CommandLine(new ReportCommand()).execute(rest));
        }
        org.openjdk.jmh.Main.main(arguments);
    }
}
