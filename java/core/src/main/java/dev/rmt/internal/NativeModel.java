package dev.rmt.internal;

import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * The weights of a model on a device. Filled by one thread, then finished, from when on it is shared. Memories made
 * from it keep the weights alive after {@link #close()}.
 */
public final class NativeModel implements AutoCloseable {
    /** One tensor: its name without the "bert." prefix and its shape, 1 or 2 dimensions. */
    public record Parameter(int index, String name, List<Long> shape) {
        public long count() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }
    }

    private static final int ARCHITECTURE_BERT = 0;

    private final ModelConfig config;
    private final long bytes;
    private final byte[] error = new byte[NativeErrors.TEXT_SIZE];
    private long handle;

    private NativeModel(ModelConfig config, long bytes, long handle) {
        this.config = config;
        this.bytes = bytes;
        this.handle = handle;
    }

    /** @throws dev.rmt.MemoryBudgetException before allocating, naming the bytes needed and available */
    public static NativeModel create(NativeDevice device, ModelConfig config) {
        int[] shape = shape(config);
        float epsilon = config.layerNormEps();
        long[] bytes = new long[1];
        long[] model = new long[1];
        byte[] error = new byte[NativeErrors.TEXT_SIZE];
        synchronized (device) {
            long on = device.handle();
            NativeErrors.check(Rmt.modelRequiredBytes(on, shape, epsilon, bytes, error, error.length), error);
            NativeErrors.check(Rmt.modelCreate(on, shape, epsilon, model, error, error.length), error);
        }
        return new NativeModel(config, bytes[0], model[0]);
    }

    /** The numbers of a configuration in the order of rmt_jni_config. */
    static int[] shape(ModelConfig config) {
        return new int[] {
            config.hiddenSize(),
            config.numLayers(),
            config.numHeads(),
            config.intermediateSize(),
            config.vocabSize(),
            config.maxPositions(),
            config.typeVocabSize(),
            config.numMemTokens(),
            config.numLabels(),
            ARCHITECTURE_BERT
        };
    }

    public ModelConfig config() {
        return config;
    }

    /** Bytes that the weights take. */
    public long bytes() {
        return bytes;
    }

    /** All tensors, in the order of the library. */
    public synchronized List<Parameter> parameters() {
        int count = Rmt.modelNumParameters(handle());
        List<Parameter> parameters = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            byte[] name = new byte[96];
            long[] dims = new long[2];
            NativeErrors.check(Rmt.modelParameterInfo(handle(), i, name, dims, error, error.length), error);
            List<Long> shape = dims[1] == 0 ? List.of(dims[0]) : List.of(dims[0], dims[1]);
            parameters.add(new Parameter(i, NativeErrors.string(name), shape));
        }
        return List.copyOf(parameters);
    }

    /**
     * Writes {@code values[0 ... count - 1]} to elements {@code first ...} of a tensor, in row-major order.
     *
     * @throws ModelFormatException if a value is NaN or infinite, naming tensor and element
     */
    public synchronized void setParameter(Parameter parameter, float[] values, long first, int count) {
        checkRange(parameter, values, first, count);
        int status = Rmt.modelSetParameter(handle(), parameter.index(), values, first, count, error, error.length);
        if (status == Rmt.INVALID_ARGUMENT) {
            throw new ModelFormatException(NativeErrors.sentence(NativeErrors.string(error)));
        }
        NativeErrors.check(status, error);
    }

    /** Reads elements {@code first ... first + count - 1} of a tensor into the start of {@code values}. */
    public synchronized void getParameter(Parameter parameter, float[] values, long first, int count) {
        checkRange(parameter, values, first, count);
        NativeErrors.check(
                Rmt.modelGetParameter(handle(), parameter.index(), values, first, count, error, error.length), error);
    }

    private static void checkRange(Parameter parameter, float[] values, long first, int count) {
        Objects.checkFromIndexSize(0, count, values.length);
        Objects.checkFromIndexSize(first, count, parameter.count());
    }

    /** Freezes the weights. */
    public synchronized void finish() {
        NativeErrors.check(Rmt.modelFinish(handle(), error, error.length), error);
    }

    /**
     * Memories of {@code numSlots} documents and room for one segment of {@code maxBatchSize} of them.
     *
     * @throws dev.rmt.MemoryBudgetException before allocating, naming the bytes needed and available
     */
    public synchronized NativeMemory newMemory(int numSlots, int maxBatchSize) {
        long[] memory = new long[1];
        long bytes = memoryBytes(numSlots, maxBatchSize);
        NativeErrors.check(
                Rmt.memoryCreate(handle(), numSlots, maxBatchSize, config.inputLength(), memory, error, error.length),
                error);
        return new NativeMemory(config, numSlots, maxBatchSize, bytes, memory[0]);
    }

    /** Bytes that {@link #newMemory} takes. */
    public synchronized long memoryBytes(int numSlots, int maxBatchSize) {
        long[] needed = new long[1];
        NativeErrors.check(
                Rmt.memoryRequiredBytes(
                        handle(), numSlots, maxBatchSize, config.inputLength(), needed, error, error.length),
                error);
        return needed[0];
    }

    private long handle() {
        if (handle == 0) {
            throw new IllegalStateException("The model is closed.");
        }
        return handle;
    }

    @Override
    public synchronized void close() {
        if (handle != 0) {
            Rmt.modelDestroy(handle);
            handle = 0;
        }
    }
}
