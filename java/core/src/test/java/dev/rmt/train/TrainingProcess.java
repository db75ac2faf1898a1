package dev.rmt.train;

import java.nio.file.Path;

/** Trains in a process of its own, which a test kills: arguments are a folder, threads, and steps between checkpoints. */
final class TrainingProcess {
    private TrainingProcess() {}

    public static void main(String[] arguments) {
        Path folder = Path.of(arguments[0]);
        TinyRuns.three(folder, Integer.parseInt(arguments[1]), Long.parseLong(arguments[2]))
                .listener(new TrainingListener() {
                    @Override
                    public void stepTaken(TrainingProgress progress) {
                        System.out.println(progress.totalStep());
                    }
                })
                .resume(true)
                .build()
                .train();
    }
}
