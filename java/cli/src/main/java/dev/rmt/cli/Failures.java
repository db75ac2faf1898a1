package dev.rmt.cli;

import dev.rmt.DeviceException;
import dev.rmt.InputException;
import dev.rmt.MemoryBudgetException;
import dev.rmt.ModelFormatException;
import dev.rmt.TrainingDivergedException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import picocli.CommandLine.ParameterException;

/** Turns what a command throws into one sentence on stderr and an exit status. */
final class Failures {
    private Failures() {}

    /** Prints the sentence, with {@code debug} the stack trace too, and returns the exit status. */
    static int report(Throwable failure, boolean debug) {
        if (debug) {
            failure.printStackTrace();
        }
        System.err.println(sentence(failure, debug));
        System.err.flush();
        return status(failure);
    }

    static int status(Throwable failure) {
        if (failure instanceof ParameterException) {
            return ExitCodes.USAGE;
        }
        if (failure instanceof DeviceException || failure instanceof LinkageError) {
            return ExitCodes.DEVICE;
        }
        if (failure instanceof MemoryBudgetException || failure instanceof OutOfMemoryError) {
            return ExitCodes.OUT_OF_MEMORY;
        }
        if (failure instanceof TrainingDivergedException) {
            return ExitCodes.DIVERGED;
        }
        if (failure instanceof ModelFormatException
                || failure instanceof InputException
                || failure instanceof FileSystemException
                || failure instanceof UnusableFileException) {
            return ExitCodes.BAD_INPUT;
        }
        return ExitCodes.FAILED;
    }

    static String sentence(Throwable failure, boolean debug) {
        if (failure instanceof OutOfMemoryError) {
            return "The Java heap of " + Text.bytes(Runtime.getRuntime().maxMemory())
                    + " is too small for this; give it more with java -Xmx1g -jar rmt.jar ...";
        }
        if (failure instanceof LinkageError) {
            return "The native library cannot be used: " + failure.getMessage();
        }
        if (failure instanceof NoSuchFileException missing) {
            return "There is no file or folder " + missing.getFile() + ".";
        }
        if (failure instanceof AccessDeniedException denied) {
            return denied.getFile() + " may not be read or written by this user.";
        }
        if (failure instanceof DirectoryNotEmptyException folder) {
            return "The folder " + folder.getFile() + " is not empty.";
        }
        if (failure instanceof NotDirectoryException file) {
            return file.getFile() + " is not a folder.";
        }
        if (failure instanceof IOException) {
            return "Reading or writing failed: " + failure.getMessage();
        }
        if (failure instanceof MemoryBudgetException) {
            return capitalized(failure.getMessage().replaceAll("[.]$", "")) + "; a smaller batch or model needs less.";
        }
        boolean expected = failure.getClass().getName().startsWith("dev.rmt.") || failure instanceof ParameterException;
        if (expected && failure.getMessage() != null) {
            return capitalized(failure.getMessage());
        }
        if (failure instanceof UncheckedIOException) {
            return failure.getMessage();
        }
        return "The run failed: " + failure + (debug ? "" : " (java -jar rmt.jar --debug ... shows where).");
    }

    /** Native messages begin with a small letter. A path at the start of a sentence stays as it is. */
    private static String capitalized(String sentence) {
        return sentence.matches("(?s)[a-z]+ .*")
                ? Character.toUpperCase(sentence.charAt(0)) + sentence.substring(1)
                : sentence;
    }
}
