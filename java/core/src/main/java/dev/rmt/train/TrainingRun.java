package dev.rmt.train;

import dev.rmt.CheckpointException;
import dev.rmt.InputException;
import dev.rmt.ModelConfig;
import dev.rmt.RmtException;
import dev.rmt.RmtModel;
import dev.rmt.TrainingDivergedException;
import dev.rmt.checkpoint.HashedFolder;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.NotFiniteException;
import dev.rmt.internal.SegmentLayout;
import dev.rmt.internal.TrainingBackend;
import dev.rmt.internal.TrainingBackend.Values;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** One call of {@link RmtTrainer#train}: the loop over stages and steps. */
final class TrainingRun implements AutoCloseable {
    private final RmtTrainer.Plan plan;
    private final BooleanSupplier cancelled;
    private final Path checkpointFolder;
    private final Path bestFolder;
    private final SegmentLayout layout;
    private final TrainingCheckpoint checkpoint;
    private final NativeDevice device;
    private final GrowingTrainer trainer;
    private Backpropagation loop;

    // Where the run stands.
    private int stageIndex;
    private TrainingStage stage;
    private final Map<FrozenPart, List<NativeModel.Parameter>> frozen = new LinkedHashMap<>(); // of the stage
    private long step;
    private boolean stageEnded;
    private long totalStep;
    private long optimizerStep;
    private long tokens;
    private double seconds;
    private double bestScore = Double.NaN;
    private Map<String, Double> bestFigures = Map.of();
    private long bestStep;

    private TrainingProgress progress;
    private long checkpointTime; // 0: there is no checkpoint yet
    private long writtenStep;

    TrainingRun(RmtTrainer.Plan plan, BooleanSupplier cancelled) {
        this.plan = plan;
        this.cancelled = cancelled;
        checkpointFolder = plan.output().resolve(RmtTrainer.CHECKPOINT);
        bestFolder = plan.output().resolve(RmtTrainer.BEST);
        ModelConfig config = plan.config();
        layout = SegmentLayout.encoder(
                config.inputLength(),
                config.numMemTokens(),
                plan.tokenizer().vocabulary().clsId(),
                plan.tokenizer().vocabulary().sepId());
        device = NativeDevice.of(plan.device());
        try {
            checkpoint = new TrainingCheckpoint(
                    config, plan.tokenizer(), settings(plan), device.info().arithmetic(), plan.keepAverage());
            trainer = new GrowingTrainer(
                    device,
                    config,
                    plan.callSize(),
                    Math.min(plan.callLength(), (long) plan.callSize() * config.inputLength()),
                    plan.probeOutputs(),
                    plan.keepAverage());
        } catch (RuntimeException | Error e) {
            device.close();
            throw e;
        }
    }

    /** All that decides the bits of the weights. */
    private static Map<String, String> settings(RmtTrainer.Plan plan) {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("model", plan.config().toString());
        settings.put("probe outputs", Integer.toString(plan.probeOutputs()));
        settings.put("call limits", plan.callSize() + " documents, " + plan.callLength() + " positions");
        settings.put("number of stages", Integer.toString(plan.stages().size()));
        for (int s = 0; s < plan.stages().size(); s++) {
            String prefix = "stage " + (s + 1) + ": ";
            plan.stages().get(s).settings().forEach((name, value) -> settings.put(prefix + name, value));
        }
        settings.putAll(plan.settings());
        return settings;
    }

    TrainingResult run() {
        try {
            return runStages();
        } catch (NotFiniteException e) {
            throw new TrainingDivergedException(stage.name(), step, e.getMessage());
        }
    }

    private TrainingResult runStages() {
        if (!resumed()) {
            initialize();
            enterStage(0);
        }
        while (true) {
            if (!stageEnded && !runStage()) {
                return result(Optional.empty());
            }
            if (stageIndex == plan.stages().size() - 1) {
                return result(Optional.of(writeResult()));
            }
            enterStage(stageIndex + 1);
        }
    }

    // ---- beginning ----

    /** Goes on from a checkpoint; false: there is none. */
    private boolean resumed() {
        Optional<Path> found = HashedFolder.find(checkpointFolder);
        if (found.isEmpty()) {
            return false;
        }
        if (!plan.resume()) {
            throw new InputException(plan.output()
                    + " holds the checkpoint of a run already; resume it, or choose another" + " folder.");
        }
        TrainingState state =
                checkpoint.read(found.get(), trainer.backend(), notice -> tell(listener -> listener.noticed(notice)));
        stageIndex = state.stage();
        stage = plan.stages().get(stageIndex);
        step = state.step();
        stageEnded = state.stageEnded();
        totalStep = state.totalStep();
        optimizerStep = state.optimizerStep();
        tokens = state.tokens();
        seconds = state.seconds();
        bestScore = state.bestScore();
        bestFigures = state.bestFigures();
        bestStep = state.bestStep();
        stage.data().restore(state.data());
        startLoop();
        checkpointTime = System.nanoTime();
        writtenStep = totalStep;
        return true;
    }

    private void initialize() {
        Weights start = plan.start();
        Weights probes = new RandomProbes(plan);
        TrainingCheckpoint.copyWeights(trainer.backend(), start, name -> !name.startsWith("probe.") || start.has(name));
        TrainingCheckpoint.copyWeights(
                trainer.backend(), probes, name -> name.startsWith("probe.") && !start.has(name));
    }

    /** Puts the run to the start of a stage and writes that down. */
    private void enterStage(int index) {
        TrainingBackend backend = trainer.backend();
        TrainingStage next = plan.stages().get(index);
        if (next.start() == TrainingStage.Start.BEST) {
            Path best = HashedFolder.find(bestFolder)
                    .orElseThrow(() -> new InputException(
                            "There is no " + bestFolder + ", from which stage \"" + next.name() + "\" starts."));
            checkpoint.readModel(best, backend);
        }
        if (next.start() == TrainingStage.Start.AVERAGE && plan.keepAverage() && index > 0) {
            GrowingTrainer.copyValues(backend, Values.AVERAGE, backend, Values.WEIGHTS);
        }
        if (next.carryOver() == TrainingStage.CarryOver.WEIGHTS || index == 0) {
            GrowingTrainer.clear(backend, Values.FIRST_MOMENT);
            GrowingTrainer.clear(backend, Values.SECOND_MOMENT);
            if (plan.keepAverage()) {
                GrowingTrainer.copyValues(backend, Values.WEIGHTS, backend, Values.AVERAGE);
            }
            optimizerStep = 0;
        }
        stageIndex = index;
        stage = next;
        step = 0;
        stageEnded = false;
        bestScore = Double.NaN;
        bestFigures = Map.of();
        bestStep = 0;
        startLoop();
        writeCheckpoint(false);
    }

    private void startLoop() {
        findFrozen();
        TrainingBackend backend = trainer.backend();
        loop = new Backpropagation(
                backend,
                layout,
                stage.hiddenDropout(),
                stage.attentionDropout(),
                stage.recompute() ? 1 : backend.numTapes());
        progress = progress(0, 0, Double.NaN, Double.NaN, 0);
    }

    // ---- steps ----

    /** Runs the stage to its end; false: cancelled before. */
    private boolean runStage() {
        tell(listener -> listener.stageStarted(progress));
        while (!stageEnded) {
            if (cancelled.getAsBoolean()) {
                writeCheckpoint(true);
                return false;
            }
            takeStep();
            tell(listener -> listener.stepTaken(progress));
            boolean early = step < stage.steps()
                    && stage.stopWhen().isMet(step, stage.data().metrics());
            stageEnded = early || step == stage.steps();
            if (stage.validation() != null && (stageEnded || step % stage.validateEvery() == 0)) {
                validate();
            }
            if (stageEnded) {
                if (plan.keepStages()) { // before the checkpoint that says that the stage has ended
                    Path folder = plan.output().resolve(RmtTrainer.STAGE + (stageIndex + 1));
                    write(() -> checkpoint.writeModel(folder, trainer.backend(), valuesOfInterest(), false));
                }
                tell(listener -> listener.stageEnded(progress, early));
            }
            if (stageEnded || isCheckpointDue()) {
                writeCheckpoint(true);
            }
        }
        return true;
    }

    private void takeStep() {
        final long begin = System.nanoTime();
        double loss = 0;
        long read = 0;
        long labels = 0;
        long right = 0;
        for (int part = 0; part < stage.accumulation(); part++) {
            TrainingBatch batch = stage.data().next(step * stage.accumulation() + part);
            makeRoom(batch);
            TrainingOutcome outcome = loop.run(batch, stage.bpttDepth());
            stage.data().learned(batch, outcome);
            loss += outcome.loss() / stage.accumulation();
            read += batch.tokens();
            for (int i = 0; i < batch.size(); i++) {
                if (batch.segment(i).label() != TrainingBatch.NONE) {
                    labels++;
                    right += outcome.correct(i) ? 1 : 0;
                }
            }
        }
        freeze();
        double rate = stage.learningRate().at(step, stage.steps());
        double norm =
                trainer.backend().step(stage.optimizer().step(rate, 1.0 / stage.accumulation(), optimizerStep + 1));
        optimizerStep++;
        step++;
        totalStep++;
        tokens += read;
        double took = (System.nanoTime() - begin) * 1e-9;
        seconds += took;
        progress = progress(rate, loss, labels == 0 ? Double.NaN : (double) right / labels, norm, read / took);
    }

    /** Found once for a stage, since every step clears them. */
    private void findFrozen() {
        frozen.clear();
        for (FrozenPart part : stage.optimizer().frozenParts()) {
            List<NativeModel.Parameter> covered =
                    trainer.backend().parameters().stream().filter(part::covers).toList();
            if (covered.isEmpty()) {
                throw new InputException("Stage \"" + stage.name() + "\" freezes " + part.name()
                        + ", but no parameter of the model has a name that begins so.");
            }
            frozen.put(part, covered);
        }
    }

    private void freeze() {
        frozen.forEach(
                (part, covered) -> covered.forEach(parameter -> part.clearGradient(trainer.backend(), parameter)));
    }

    private void makeRoom(TrainingBatch batch) {
        BatchPlan needed = loop.plan(batch);
        int tapes = stage.recompute() ? 1 : needed.calls().size();
        if (trainer.ensure(needed.numStates(), tapes)) {
            startLoopAgain();
        }
    }

    /** After the trainer has grown. */
    private void startLoopAgain() {
        TrainingProgress kept = progress;
        startLoop();
        progress = kept;
    }

    private TrainingProgress progress(double rate, double loss, double accuracy, double norm, double tokensPerSecond) {
        long totalSteps = totalStep - step;
        for (TrainingStage ahead :
                plan.stages().subList(stageIndex, plan.stages().size())) {
            totalSteps += ahead.steps();
        }
        return new TrainingProgress(
                stageIndex,
                plan.stages().size(),
                stage.name(),
                step,
                stage.steps(),
                totalStep,
                totalSteps,
                rate,
                loss,
                accuracy,
                norm,
                tokens,
                tokensPerSecond,
                seconds,
                stage.data().metrics());
    }

    // ---- now and then ----

    private void validate() {
        Values which = valuesOfInterest();
        Map<String, Double> figures;
        try (RmtModel model = RmtModel.of(
                plan.config(),
                plan.tokenizer(),
                new TrainerWeights(trainer.backend(), plan.config(), which),
                plan.device())) {
            figures = new LinkedHashMap<>(stage.validation().measure(model));
        }
        double score = stage.validation().score(figures);
        boolean best = !Double.isNaN(score) && !(score < bestScore); // of equal ones the later, which has seen more
        if (best) {
            write(() -> checkpoint.writeModel(bestFolder, trainer.backend(), which, true));
            bestScore = score;
            bestFigures = figures;
            bestStep = step;
        }
        tell(listener -> listener.validated(progress, figures, best));
    }

    /** The average of the weights where the stage keeps one, else the weights. */
    private Values valuesOfInterest() {
        return stage.optimizer().averageDecay() > 0 ? Values.AVERAGE : Values.WEIGHTS;
    }

    private boolean isCheckpointDue() {
        return step % plan.checkpointSteps() == 0
                || (System.nanoTime() - checkpointTime) * 1e-9 >= plan.checkpointSeconds();
    }

    private void writeCheckpoint(boolean telling) {
        TrainingState state = new TrainingState(
                stageIndex,
                step,
                stageEnded,
                totalStep,
                optimizerStep,
                tokens,
                seconds,
                bestScore,
                bestFigures,
                bestStep,
                stage.data().save());
        write(() -> checkpoint.write(checkpointFolder, trainer.backend(), state));
        checkpointTime = System.nanoTime();
        writtenStep = totalStep;
        if (telling) {
            tell(listener -> listener.checkpointSaved(progress, checkpointFolder));
        }
    }

    /** Writes to the folder of the run; where that fails, says what is left of it. */
    private void write(Runnable writing) {
        try {
            writing.run();
        } catch (NotFiniteException e) {
            throw e;
        } catch (RmtException e) {
            boolean any = checkpointTime != 0;
            throw new CheckpointException(
                    e.getMessage().replaceFirst("[.]$", "")
                            + (any
                                    ? "; the last checkpoint, of step " + writtenStep
                                            + " of all stages, is whole: resume"
                                            + " from it when the folder can be written."
                                    : "; nothing has been trained."),
                    e);
        }
    }

    private void tell(Consumer<TrainingListener> event) {
        List<TrainingListener> listeners = plan.listeners();
        listeners.forEach(event);
    }

    // ---- end ----

    /** Writes the trained model: that of the best validation, or as it stands. */
    private Path writeResult() {
        Path folder = plan.output().resolve(RmtTrainer.MODEL);
        if (!plan.keepLast() && !Double.isNaN(bestScore)) {
            Path best = HashedFolder.find(bestFolder)
                    .orElseThrow(() -> new InputException(
                            "There is no " + bestFolder + ", the model of the best validation; it was taken away."));
            checkpoint.readModel(best, trainer.backend());
            write(() -> checkpoint.writeModel(folder, trainer.backend(), Values.WEIGHTS, false));
        } else {
            write(() -> checkpoint.writeModel(folder, trainer.backend(), valuesOfInterest(), false));
        }
        return folder;
    }

    private TrainingResult result(Optional<Path> model) {
        return new TrainingResult(model, totalStep, tokens, seconds, bestScore, bestFigures);
    }

    @Override
    public void close() {
        trainer.close();
        device.close();
    }

    /** Starting values of probes: N(0, 0.02) for weights, zero for biases. */
    private static final class RandomProbes implements Weights {
        private final Map<String, long[]> shapes;
        private final long seed;

        RandomProbes(RmtTrainer.Plan plan) {
            seed = plan.seed();
            shapes = Map.of(
                    "probe.weight",
                            new long[] {plan.probeOutputs(), plan.config().hiddenSize()},
                    "probe.bias", new long[] {plan.probeOutputs()});
        }

        @Override
        public List<String> names() {
            return List.copyOf(shapes.keySet());
        }

        @Override
        public boolean has(String name) {
            return shapes.containsKey(name);
        }

        @Override
        public long[] shape(String name) {
            return shapes.get(name).clone();
        }

        @Override
        public void read(String name, long firstElement, float[] dst, int offset, int count) {
            if (name.endsWith(".bias")) {
                java.util.Arrays.fill(dst, offset, offset + count, 0);
            } else {
                RandomWeights.normal(name, seed, RandomWeights.INITIALIZER_RANGE, firstElement, dst, offset, count);
            }
        }
    }
}
