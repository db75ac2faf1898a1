package dev.rmt.train;

import dev.rmt.Device;
import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.Weights;
import dev.rmt.text.WordPieceTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Trains a model through a list of stages, with checkpoints that a killed run goes on from to the same bits.
 *
 * <pre>{@code
 * try (ModelDirectory start = ModelDirectory.open(directory, LoadOptions.defaults())) { // or any weights: new ones, too
 *     RmtTrainer trainer = RmtTrainer.builder(start.config(), start.tokenizer(), start.weights())
 *             .output(Path.of("out"))
 *             .device(Device.best())
 *             .stage(TrainingStage.builder("one segment", data, 1000)
 *                     .learningRate(LearningRate.linear(1e-4, 100))
 *                     .validation(validation, 200)
 *                     .build())
 *             .listener(listener)
 *             .resume(true)
 *             .build();
 *     TrainingResult result = trainer.train(); // out/model is the trained model
 * }
 * }</pre>
 *
 * <p>In the output folder: {@code checkpoint} (a model directory with the state of the run), {@code best} (the model of the best
 * validation of the stage), {@code model} (the result).
 */
public final class RmtTrainer {
    /** Where the run stands, within the output folder. */
    public static final String CHECKPOINT = "checkpoint";
    /** The best model of the stage. */
    public static final String BEST = "best";
    /** The trained model. */
    public static final String MODEL = "model";
    /** The model after a stage, with the stage's number behind it, where {@link Builder#keepStages} asks for them. */
    public static final String STAGE = "stage-";

    private final Plan plan;
    private volatile boolean cancelled;

    /** What the builder has collected. */
    record Plan(
            ModelConfig config,
            WordPieceTokenizer tokenizer,
            Weights start,
            Path output,
            Device device,
            List<TrainingStage> stages,
            List<TrainingListener> listeners,
            Map<String, String> settings,
            boolean resume,
            long checkpointSteps,
            double checkpointSeconds,
            int probeOutputs,
            long seed,
            int callSize,
            long callLength,
            boolean keepLast,
            boolean keepStages) {
        boolean keepAverage() {
            return stages.stream().anyMatch(stage -> stage.optimizer().averageDecay() > 0);
        }
    }

    private RmtTrainer(Plan plan) {
        this.plan = plan;
    }

    /**
     * Trains to the end, or until {@link #cancel}.
     *
     * @throws dev.rmt.TrainingDivergedException if a loss or gradient is NaN or infinite; the last checkpoint stays as it was
     * @throws dev.rmt.InputException if the output folder holds a checkpoint and resume was not asked for, or one of another run
     * @throws dev.rmt.CheckpointException if a checkpoint cannot be written; the one before stays as it was
     * @throws dev.rmt.ModelFormatException if the checkpoint that is resumed is damaged
     * @throws dev.rmt.MemoryBudgetException if weights, moments and activations do not fit
     */
    public TrainingResult train() {
        cancelled = false;
        try (TrainingRun run = new TrainingRun(plan, () -> cancelled)) {
            return run.run();
        }
    }

    /** Ends {@link #train} after the step that is under way; a checkpoint is written. From any thread, or from a listener. */
    public void cancel() {
        cancelled = true;
    }

    /**
     * @param config of the model to be trained
     * @param tokenizer saved with the model
     * @param start weights to start from; must stay readable until {@link #train} has begun its first step. It may hold
     *     "probe.weight" and "probe.bias" too
     */
    public static Builder builder(ModelConfig config, WordPieceTokenizer tokenizer, Weights start) {
        return new Builder(config, tokenizer, start);
    }

    /** Collects what a run is made of. */
    public static final class Builder {
        private static final int MAX_CALL_SIZE = 256;
        private static final long MAX_CALL_LENGTH = 8192;
        /** About what the activations of a call may take unless limits are given. */
        private static final long CALL_BYTES = 512L << 20;

        private final ModelConfig config;
        private final WordPieceTokenizer tokenizer;
        private final Weights start;
        private final List<TrainingStage> stages = new ArrayList<>();
        private final List<TrainingListener> listeners = new ArrayList<>();
        private final Map<String, String> settings = new LinkedHashMap<>();
        private Path output;
        private Device device;
        private boolean resume;
        private long checkpointSteps = Long.MAX_VALUE;
        private double checkpointSeconds = 60;
        private int probeOutputs;
        private long seed = 42;
        private int callSize;
        private long callLength;
        private boolean keepLast;
        private boolean keepStages;

        private Builder(ModelConfig config, WordPieceTokenizer tokenizer, Weights start) {
            this.config = Objects.requireNonNull(config, "config");
            this.tokenizer = Objects.requireNonNull(tokenizer, "tokenizer");
            this.start = Objects.requireNonNull(start, "start");
        }

        /** The folder for checkpoints and results; made if it is not there. Must be given. */
        public Builder output(Path folder) {
            output = folder;
            return this;
        }

        /** Where to compute: {@link Device#best()} unless given. */
        public Builder device(Device value) {
            device = Objects.requireNonNull(value, "device");
            return this;
        }

        /** Adds a stage behind those that there are. */
        public Builder stage(TrainingStage stage) {
            stages.add(Objects.requireNonNull(stage, "stage"));
            return this;
        }

        public Builder listener(TrainingListener listener) {
            listeners.add(Objects.requireNonNull(listener, "listener"));
            return this;
        }

        /**
         * Anything else that must be the same when the run is resumed: the seed of the data, a recipe, hashes of texts. What is
         * given to the stages themselves is compared anyway.
         */
        public Builder setting(String name, String value) {
            settings.put(name, value);
            return this;
        }

        /** Whether to go on from the checkpoint in the output folder, if there is one. Otherwise one is refused. */
        public Builder resume(boolean value) {
            resume = value;
            return this;
        }

        /** Steps between checkpoints, 1 or more; besides those after so many seconds. */
        public Builder checkpointEvery(long steps) {
            checkpointSteps = requirePositive("number of steps between checkpoints", steps);
            return this;
        }

        /** Seconds between checkpoints: 60 unless changed. */
        public Builder checkpointEverySeconds(double seconds) {
            if (!(seconds > 0)) {
                throw new IllegalArgumentException(
                        "The time between checkpoints is " + seconds + " seconds; it must be more than 0.");
            }
            checkpointSeconds = seconds;
            return this;
        }

        /** Outputs of all probes together; 0: there are none. */
        public Builder probeOutputs(int outputs) {
            if (outputs < 0) {
                throw new IllegalArgumentException("There are " + outputs + " probe outputs; it must be 0 or more.");
            }
            probeOutputs = outputs;
            return this;
        }

        /** For starting values of probes. */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /**
         * The most documents and positions of one native call: activations of so many are held at a time. Unless changed, as
         * many as take about half a gigabyte, at most 256 and 8192. They are part of the settings of a run: sums of gradients
         * are rounded in other places where calls are cut in other places.
         */
        public Builder callLimits(int documents, long positions) {
            callSize = (int) requirePositive("number of documents in a call", documents);
            callLength = requirePositive("number of positions in a call", positions);
            return this;
        }

        /** Whether the result is the model of the last step even where the last stage was validated. */
        public Builder keepLast(boolean value) {
            keepLast = value;
            return this;
        }

        /**
         * Whether the model after each stage, as it stands then, is kept in a folder of its own: {@link #STAGE}1, {@link #STAGE}2 ...
         * in the output folder.
         */
        public Builder keepStages(boolean value) {
            keepStages = value;
            return this;
        }

        private static long requirePositive(String what, long value) {
            if (value < 1) {
                throw new IllegalArgumentException("The " + what + " is " + value + "; it must be 1 or more.");
            }
            return value;
        }

        /** @throws IllegalArgumentException naming what is missing or does not fit */
        public RmtTrainer build() {
            if (output == null) {
                throw new IllegalArgumentException("Training needs a folder for its checkpoints; call output(folder).");
            }
            if (stages.isEmpty()) {
                throw new IllegalArgumentException("Training needs at least one stage; call stage(...).");
            }
            for (int s = 0; s < stages.size(); s++) {
                if (stages.get(s).start() == TrainingStage.Start.BEST
                        && (s == 0 || stages.get(s - 1).validation() == null)) {
                    throw new IllegalArgumentException(
                            "Stage \"" + stages.get(s).name()
                                    + "\" starts from the best weights of the stage before, but no stage before it is validated.");
                }
            }
            setDefaultCallLimits();
            if (callLength < config.inputLength()) {
                throw new IllegalArgumentException("A call of at most " + callLength
                        + " positions cannot hold a segment of " + config.inputLength() + "; allow more.");
            }
            return new RmtTrainer(new Plan(
                    config,
                    tokenizer,
                    start,
                    output,
                    device == null ? Device.best() : device,
                    List.copyOf(stages),
                    List.copyOf(listeners),
                    new LinkedHashMap<>(settings),
                    resume,
                    checkpointSteps,
                    checkpointSeconds,
                    probeOutputs,
                    seed,
                    callSize,
                    callLength,
                    keepLast,
                    keepStages));
        }

        private void setDefaultCallLimits() {
            if (callLength == 0) {
                // Of each layer about eight rows of H and two of F are kept for a position.
                long bytesOfPosition =
                        4L * config.numLayers() * (8L * config.hiddenSize() + 2L * config.intermediateSize());
                callLength = Math.max(config.inputLength(), Math.min(MAX_CALL_LENGTH, CALL_BYTES / bytesOfPosition));
                // A document takes room of its own: no more of them than short ones fit.
                callSize = (int) Math.max(1, Math.min(MAX_CALL_SIZE, callLength / 32));
            }
        }
    }
}
