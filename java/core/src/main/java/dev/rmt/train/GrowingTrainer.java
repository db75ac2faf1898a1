package dev.rmt.train;

import dev.rmt.ModelConfig;
import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.NativeTrainer;
import dev.rmt.internal.TrainingBackend;
import dev.rmt.internal.TrainingBackend.Values;
import java.util.ArrayList;
import java.util.List;

/**
 * A trainer that is made anew, larger, when a batch needs more memory states or tapes than it has: what a stage needs is known
 * only when its batches come. Weights and all that belongs to them are copied, so no bit changes.
 */
final class GrowingTrainer implements AutoCloseable {
    private static final int STATES_AT_FIRST = 1024;

    private final NativeDevice device;
    private final ModelConfig config;
    private NativeTrainer trainer;

    GrowingTrainer(
            NativeDevice device,
            ModelConfig config,
            int maxBatchSize,
            long maxTotalLength,
            int numProbeOutputs,
            boolean keepAverage) {
        this.device = device;
        this.config = config;
        trainer = NativeTrainer.create(
                device,
                config,
                new NativeTrainer.Limits(
                        maxBatchSize, maxTotalLength, STATES_AT_FIRST, 1, numProbeOutputs, keepAverage));
    }

    TrainingBackend backend() {
        return trainer;
    }

    /**
     * Makes room.
     *
     * @return whether {@link #backend} is another object now
     * @throws dev.rmt.MemoryBudgetException if there is not enough memory; the trainer stays as it was
     */
    boolean ensure(int numStates, int numTapes) {
        NativeTrainer.Limits limits = trainer.limits();
        if (numStates <= limits.numStates() && numTapes <= limits.numTapes()) {
            return false;
        }
        // States are small: some more of them, so that batches that grow a little do not come here each time.
        int states = numStates <= limits.numStates() ? limits.numStates() : numStates + numStates / 2;
        int tapes = Math.max(numTapes, limits.numTapes());
        NativeTrainer larger = NativeTrainer.create(
                device,
                config,
                new NativeTrainer.Limits(
                        limits.maxBatchSize(),
                        limits.maxTotalLength(),
                        states,
                        tapes,
                        limits.numProbeOutputs(),
                        limits.keepAverage()));
        try {
            List<Values> kept = new ArrayList<>(
                    List.of(Values.WEIGHTS, Values.GRADIENTS, Values.FIRST_MOMENT, Values.SECOND_MOMENT));
            if (limits.keepAverage()) {
                kept.add(Values.AVERAGE);
            }
            for (Values which : kept) {
                copyValues(trainer, which, larger, which);
            }
        } catch (RuntimeException | Error e) {
            larger.close();
            throw e;
        }
        trainer.close();
        trainer = larger;
        return true;
    }

    /** Copies values of all parameters, within a trainer or from one to another of the same model. */
    static void copyValues(TrainingBackend from, Values source, TrainingBackend to, Values target) {
        for (NativeModel.Parameter parameter : from.parameters()) {
            float[] piece = new float[(int) Math.min(1 << 16, parameter.count())];
            for (long done = 0; done < parameter.count(); ) {
                int count = (int) Math.min(piece.length, parameter.count() - done);
                from.getValues(source, parameter, piece, done, count);
                to.setValues(target, parameter, piece, done, count);
                done += count;
            }
        }
    }

    /** Sets values of all parameters to zero. */
    static void clear(TrainingBackend backend, Values which) {
        backend.parameters().forEach(parameter -> clear(backend, which, parameter));
    }

    static void clear(TrainingBackend backend, Values which, NativeModel.Parameter parameter) {
        float[] zeros = new float[(int) Math.min(1 << 16, parameter.count())];
        for (long done = 0; done < parameter.count(); ) {
            int count = (int) Math.min(zeros.length, parameter.count() - done);
            backend.setValues(which, parameter, zeros, done, count);
            done += count;
        }
    }

    @Override
    public void close() {
        trainer.close();
    }
}
