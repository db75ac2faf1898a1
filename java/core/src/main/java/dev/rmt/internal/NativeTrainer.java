package dev.rmt.internal;

import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** {@link TrainingBackend} over librmt. Not safe for two threads at once. */
public final class NativeTrainer implements TrainingBackend {
    /**
     * How much a trainer can hold; all of it is allocated when it is made.
     *
     * @param maxBatchSize documents in one call
     * @param maxTotalLength sum of their lengths
     * @param numStates memory states
     * @param numTapes calls whose activations are kept
     * @param numProbeOutputs outputs of all probes together; 0: no probes
     * @param keepAverage whether a moving average of the weights is kept
     */
    public record Limits(
            int maxBatchSize,
            long maxTotalLength,
            int numStates,
            int numTapes,
            int numProbeOutputs,
            boolean keepAverage) {
        public Limits {
            if (maxBatchSize < 1 || maxTotalLength < 1 || numStates < 0 || numTapes < 1 || numProbeOutputs < 0) {
                throw new IllegalArgumentException("A trainer cannot be made with " + maxBatchSize + " documents, "
                        + maxTotalLength + " positions, " + numStates + " states, " + numTapes + " tapes and "
                        + numProbeOutputs + " probe outputs.");
            }
        }
    }

    private final ModelConfig config;
    private final Limits limits;
    private final long bytes;
    private final List<NativeModel.Parameter> parameters;
    private final byte[] error = new byte[NativeErrors.TEXT_SIZE];
    private long handle;

    private NativeTrainer(ModelConfig config, Limits limits, long bytes, long handle) {
        this.config = config;
        this.limits = limits;
        this.bytes = bytes;
        this.handle = handle;
        this.parameters = readParameters();
    }

    /**
     * A trainer of which every value is zero.
     *
     * @throws dev.rmt.MemoryBudgetException before allocating, naming the bytes needed and available
     */
    public static NativeTrainer create(NativeDevice device, ModelConfig config, Limits limits) {
        int[] shape = NativeModel.shape(config);
        float epsilon = config.layerNormEps();
        long[] sizes = {
            limits.maxBatchSize(),
            config.inputLength(),
            limits.maxTotalLength(),
            limits.numStates(),
            limits.numTapes(),
            limits.numProbeOutputs(),
            limits.keepAverage() ? 1 : 0
        };
        long[] bytes = new long[1];
        long[] trainer = new long[1];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        synchronized (device) {
            long on = device.handle();
            NativeErrors.check(Rmt.trainerRequiredBytes(on, shape, epsilon, sizes, bytes, error, error.length), error);
            NativeErrors.check(Rmt.trainerCreate(on, shape, epsilon, sizes, trainer, error, error.length), error);
        }
        return new NativeTrainer(config, limits, bytes[0], trainer[0]);
    }

    private List<NativeModel.Parameter> readParameters() {
        int count = Rmt.trainerNumParameters(handle());
        List<NativeModel.Parameter> list = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            byte[] name = new byte[96];
            long[] dims = new long[2];
            NativeErrors.check(Rmt.trainerParameterInfo(handle(), i, name, dims, error, error.length), error);
            List<Long> shape = dims[1] == 0 ? List.of(dims[0]) : List.of(dims[0], dims[1]);
            list.add(new NativeModel.Parameter(i, NativeErrors.string(name), shape));
        }
        return List.copyOf(list);
    }

    public Limits limits() {
        return limits;
    }

    @Override
    public int memorySize() {
        return config.numMemTokens() * config.hiddenSize();
    }

    @Override
    public int numLabels() {
        return config.numLabels();
    }

    @Override
    public int numStates() {
        return limits.numStates();
    }

    @Override
    public int numTapes() {
        return limits.numTapes();
    }

    @Override
    public int maxBatchSize() {
        return limits.maxBatchSize();
    }

    @Override
    public int maxInputLength() {
        return config.inputLength();
    }

    @Override
    public long maxTotalLength() {
        return limits.maxTotalLength();
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public List<NativeModel.Parameter> parameters() {
        return parameters;
    }

    @Override
    public void setValues(Values which, NativeModel.Parameter parameter, float[] values, long first, int count) {
        checkRange(parameter, values, first, count);
        int status = Rmt.trainerSetValues(
                handle(), which.ordinal(), parameter.index(), values, first, count, error, error.length);
        if (status == Rmt.INVALID_ARGUMENT) {
            throw new ModelFormatException(NativeErrors.sentence(NativeErrors.string(error)));
        }
        NativeErrors.check(status, error);
    }

    @Override
    public void getValues(Values which, NativeModel.Parameter parameter, float[] values, long first, int count) {
        checkRange(parameter, values, first, count);
        NativeErrors.check(
                Rmt.trainerGetValues(
                        handle(), which.ordinal(), parameter.index(), values, first, count, error, error.length),
                error);
    }

    private static void checkRange(NativeModel.Parameter parameter, float[] values, long first, int count) {
        Objects.checkFromIndexSize(0, count, values.length);
        Objects.checkFromIndexSize(first, count, parameter.count());
    }

    @Override
    public void setState(int state, float[] values) {
        checkState(state, values);
        NativeErrors.check(Rmt.trainerSetState(handle(), state, values, values.length, error, error.length), error);
    }

    @Override
    public void getState(int state, float[] values) {
        checkState(state, values);
        NativeErrors.check(Rmt.trainerGetState(handle(), state, values, values.length, error, error.length), error);
    }

    @Override
    public void setStateGradient(int state, float[] values) {
        checkState(state, values);
        NativeErrors.check(
                Rmt.trainerSetStateGradient(handle(), state, values, values.length, error, error.length), error);
    }

    @Override
    public void getStateGradient(int state, float[] values) {
        checkState(state, values);
        NativeErrors.check(
                Rmt.trainerGetStateGradient(handle(), state, values, values.length, error, error.length), error);
    }

    private void checkState(int state, float[] values) {
        Objects.checkIndex(state, limits.numStates());
        if (values.length != memorySize()) {
            throw new IllegalArgumentException(
                    "A memory of this model has " + memorySize() + " values, not " + values.length + ".");
        }
    }

    @Override
    public void clearStateGradient(int state) {
        NativeErrors.check(Rmt.trainerClearStateGradient(handle(), state, error, error.length), error);
    }

    @Override
    public void forward(int tape, TrainingSegment segment) {
        run(false, tape, segment, true, false);
    }

    @Override
    public void backward(int tape, TrainingSegment segment, boolean withLoss, boolean recompute) {
        run(true, tape, segment, withLoss, recompute);
    }

    private void run(boolean backward, int tape, TrainingSegment segment, boolean withLoss, boolean recompute) {
        // What the library could not see, because arrays lose their lengths on the way to it.
        if (segment.size() < 1 || segment.logits().length < segment.size() * config.numLabels()) {
            throw new IllegalArgumentException("A segment of " + segment.size() + " documents made for "
                    + segment.logits().length + " logits does not fit a model of " + config.numLabels() + " labels.");
        }
        NativeErrors.check(
                Rmt.trainerRun(
                        handle(),
                        backward ? 1 : 0,
                        tape,
                        withLoss ? 1 : 0,
                        recompute ? 1 : 0,
                        segment.size(),
                        segment.inputLength(),
                        segment.ids(),
                        segment.lengths(),
                        segment.readState(),
                        segment.writeState(),
                        segment.readMemoryStart(),
                        segment.writeMemoryStart(),
                        segment.headPosition(),
                        segment.labels(),
                        segment.labelWeights(),
                        segment.probeRows(),
                        segment.probeWeights(),
                        segment.numProbes(),
                        segment.dropoutKeys(),
                        segment.hiddenDropout(),
                        segment.attentionDropout(),
                        segment.allRows() ? 1 : 0,
                        segment.losses(),
                        segment.logits(),
                        segment.probeLosses(),
                        segment.probePredictions(),
                        error,
                        error.length),
                error);
    }

    @Override
    public double step(AdamW options) {
        double[] rates = {
            options.learningRate(),
            options.beta1(),
            options.beta2(),
            options.epsilon(),
            options.weightDecay(),
            options.clipValue(),
            options.clipNorm(),
            options.averageDecay()
        };
        double[] norm = {Double.NaN};
        int status = Rmt.trainerStep(
                handle(),
                rates,
                options.decayEverything() ? 1 : 0,
                options.gradientScale(),
                options.step(),
                norm,
                error,
                error.length);
        if (status == Rmt.FAILED_PRECONDITION && !Double.isFinite(norm[0])) {
            throw new NotFiniteException(NativeErrors.string(error));
        }
        NativeErrors.check(status, error);
        return norm[0];
    }

    @Override
    public void clearGradients() {
        NativeErrors.check(Rmt.trainerClearGradients(handle(), error, error.length), error);
    }

    private long handle() {
        if (handle == 0) {
            throw new IllegalStateException("The trainer is closed.");
        }
        return handle;
    }

    @Override
    public void close() {
        if (handle != 0) {
            Rmt.trainerDestroy(handle);
            handle = 0;
        }
    }
}
