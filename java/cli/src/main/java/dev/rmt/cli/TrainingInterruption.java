package dev.rmt.cli;

import dev.rmt.train.RmtTrainer;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

/**
 * Ctrl-C during training: the step that is under way ends, a checkpoint is written, and then the JVM ends with 130. Closed when
 * training is over.
 */
final class TrainingInterruption implements AutoCloseable {
    private static final long TIME_TO_SAY_WHY_MILLIS = 500;

    private final RmtTrainer trainer;
    private final Path folder;
    private final CountDownLatch over = new CountDownLatch(1);
    private final Thread hook = new Thread(this::stop, "interrupted");
    private volatile boolean saved;

    TrainingInterruption(RmtTrainer trainer, Path folder) {
        this.trainer = trainer;
        this.folder = folder;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** The run has ended with a checkpoint. */
    void saved() {
        saved = true;
    }

    private void stop() {
        trainer.cancel();
        System.err.println();
        System.err.println("Interrupted: finishing the step and saving a checkpoint ...");
        try {
            over.await();
            if (!saved) {
                Thread.sleep(TIME_TO_SAY_WHY_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (saved) {
            System.err.println();
            System.err.println("The checkpoint is in " + folder + "; --resume goes on from there.");
        }
        System.err.flush();
    }

    @Override
    public void close() {
        over.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The JVM is going down: the hook is running.
        }
    }
}
