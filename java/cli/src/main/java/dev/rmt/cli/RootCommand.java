package dev.rmt.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** {@code rmt}: the program without a command says what it can do. */
@Command(
        name = "rmt",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        scope = ScopeType.INHERIT,
        synopsisHeading = "%nUsage: ",
        customSynopsis = "java -jar rmt.jar COMMAND [OPTIONS]",
        description = {
            "",
            "A recurrent memory transformer (RMT): reads documents of any length in constant memory, one segment of 512"
                    + " positions at a time, and carries what matters from segment to segment in a few memory tokens."
        },
        commandListHeading = "%nCommands:%n",
        optionListHeading = "%nOptions:%n",
        parameterListHeading = "%nArguments:%n",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "  0:done",
            "  1:the run failed",
            "  2:wrong options",
            "  3:the device or the native library is missing",
            "  4:a model, text or file cannot be used",
            "  5:out of memory",
            "  6:training diverged (its last checkpoint is kept)",
            "130:interrupted (what --json had is saved, training has its checkpoint)"
        },
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  java -jar rmt.jar eval                    # the main job, with a small model",
            "  java -jar rmt.jar train --out my-model    # train a model from scratch",
            "  java -jar rmt.jar read book.txt           # read a document of any length",
            "  java -jar rmt.jar attention               # see what memory does",
            "  java -jar rmt.jar flops                   # what reading costs, in operations",
            "  java -jar rmt.jar init my-model           # make a model directory",
            "  java -jar rmt.jar eval --help             # options and examples of a command"
        },
        subcommands = {
            EvalCommand.class,
            TrainCommand.class,
            ReadCommand.class,
            AttentionCommand.class,
            FlopsCommand.class,
            PlotCommand.class,
            InitCommand.class,
            InfoCommand.class,
            DoctorCommand.class
        })
final class RootCommand implements Runnable {
    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Print the stack trace of a failure too.")
    boolean debug;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(), "Name a command: eval, train, read, attention, flops, plot, init, info or doctor.");
    }
}
