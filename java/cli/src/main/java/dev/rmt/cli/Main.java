package dev.rmt.cli;

import java.io.PrintWriter;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Entry point: parses the command line, runs one command, and turns failures into a sentence and an exit status. */
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        // Numbers look the same wherever the program runs.
        Locale.setDefault(Locale.ROOT);
        // Pictures are drawn into files; a display that cannot be reached must not get in the way.
        System.setProperty("java.awt.headless", "true");
        int status;
        try {
            status = commandLine().execute(args);
        } catch (OutOfMemoryError e) {
            status = Failures.report(e, false);
        }
        System.out.flush();
        System.exit(status);
    }

    static CommandLine commandLine() {
        CommandLine commandLine = new CommandLine(new RootCommand());
        commandLine.setCaseInsensitiveEnumValuesAllowed(true);
        commandLine.setUsageHelpAutoWidth(true);
        commandLine.setUsageHelpLongOptionsMaxWidth(32);
        commandLine.setParameterExceptionHandler((failure, arguments) -> usageError(failure));
        commandLine.setExecutionExceptionHandler((failure, command, parsed) -> Failures.report(
                failure, command.getCommandSpec().root().userObject() instanceof RootCommand root && root.debug));
        return commandLine;
    }

    private static int usageError(ParameterException failure) {
        PrintWriter err = failure.getCommandLine().getErr();
        err.println(failure.getMessage());
        UnmatchedArgumentException.printSuggestions(failure, err);
        err.println("Try: java -jar rmt.jar " + commandPath(failure.getCommandLine()) + "--help");
        err.flush();
        return ExitCodes.USAGE;
    }

    /** "eval " for a sub-command, "" for the program itself. */
    private static String commandPath(CommandLine commandLine) {
        return commandLine.getParent() == null ? "" : commandLine.getCommandName() + " ";
    }
}
