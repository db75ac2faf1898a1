package dev.rmt;

import dev.rmt.checkpoint.BuiltInModel;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.checkpoint.ModelHash;
import dev.rmt.checkpoint.RandomWeights;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeDevice;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.SegmentBackend;
import dev.rmt.internal.SegmentLayout;
import dev.rmt.internal.StreamRecurrence;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceTokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiFunction;

/**
 * Weights on a device, a tokenizer, and the shape of a segment. Immutable; shared by threads. Closing a model ends what
 * can be made from it; sessions and batches that are open keep its weights alive until the last of them is closed.
 */
public final class RmtModel implements AutoCloseable {
    private final ModelConfig config;
    private final WordPieceTokenizer tokenizer;
    private final Device device;
    private final DeviceInfo deviceInfo;
    private final NativeModel weights;
    private final SegmentLayout layout;
    private final String sha256;
    private final boolean trained;
    private final List<String> notices;
    private final AtomicBoolean closed = new AtomicBoolean();

    private RmtModel(
            ModelConfig config,
            WordPieceTokenizer tokenizer,
            Device device,
            DeviceInfo deviceInfo,
            NativeModel weights,
            String sha256,
            boolean trained,
            List<String> notices) {
        this.config = config;
        this.tokenizer = tokenizer;
        this.device = device;
        this.deviceInfo = deviceInfo;
        this.weights = weights;
        this.sha256 = sha256;
        this.trained = trained;
        this.notices = List.copyOf(notices);
        Vocabulary vocabulary = tokenizer.vocabulary();
        this.layout = SegmentLayout.encoder(
                config.inputLength(), config.numMemTokens(), vocabulary.clsId(), vocabulary.sepId());
    }

    /** Loads a Hugging Face BERT directory with the default options. */
    public static RmtModel load(Path directory, Device device) {
        return load(directory, device, LoadOptions.defaults());
    }

    /**
     * Loads a Hugging Face BERT directory. Weights go to the device in pieces; none is on the Java heap as a whole.
     *
     * @throws ModelFormatException if a file is missing or malformed, or a tensor is missing, misshaped or not finite
     * @throws MemoryBudgetException if the weights do not fit, before anything is allocated
     * @throws DeviceException if the device or the native library cannot be used
     */
    public static RmtModel load(Path directory, Device device, LoadOptions options) {
        Objects.requireNonNull(device, "device");
        try (ModelDirectory files = ModelDirectory.open(directory, options)) {
            return create(files.config(), files.tokenizer(), files.weights(), device, files.notices());
        }
    }

    /**
     * The small model that comes with the library, trained for the three memory tasks; see {@link BuiltInModel}.
     *
     * @throws DeviceException if the device or the native library cannot be used
     */
    public static RmtModel builtIn(Device device) {
        Objects.requireNonNull(device, "device");
        return BuiltInModel.open(
                files -> create(files.config(), files.tokenizer(), files.weights(), device, files.notices()));
    }

    /**
     * A new model with random weights, N(0, 0.02), LayerNorm 1 and 0, biases 0: the same ones for the same seed.
     *
     * @throws IllegalArgumentException if the vocabulary has more pieces than {@code config} has rows for
     */
    public static RmtModel untrained(ModelConfig config, WordPieceTokenizer tokenizer, long seed, Device device) {
        int pieces = tokenizer.vocabulary().size();
        if (pieces > config.vocabSize()) {
            throw new IllegalArgumentException(
                    "The vocabulary has " + pieces + " pieces, but the model has rows for " + config.vocabSize() + ".");
        }
        return create(
                config,
                tokenizer,
                new RandomWeights(config, seed),
                device,
                List.of("All weights are random, from seed " + seed + ": the model is untrained."));
    }

    /**
     * A model from weights that are at hand, which are copied.
     *
     * @throws ModelFormatException if a parameter is missing, misshaped or not finite
     * @throws MemoryBudgetException if the weights do not fit, before anything is allocated
     */
    public static RmtModel of(ModelConfig config, WordPieceTokenizer tokenizer, Weights weights, Device device) {
        return create(config, tokenizer, weights, device, List.of());
    }

    private static RmtModel create(
            ModelConfig config, WordPieceTokenizer tokenizer, Weights source, Device device, List<String> notices) {
        NativeDevice pool = device.acquire();
        NativeModel weights = null;
        try {
            DeviceInfo info = pool.info();
            weights = NativeModel.create(pool, config);
            String sha256 = fill(weights, source, config, tokenizer);
            weights.finish();
            return new RmtModel(config, tokenizer, device, info, weights, sha256, source.trained(), notices);
        } catch (RuntimeException | Error e) {
            if (weights != null) {
                weights.close();
            }
            device.release();
            throw e;
        }
    }

    /** Copies all parameters to the device and returns the hash of the model; each is read once. */
    private static String fill(NativeModel model, Weights source, ModelConfig config, WordPieceTokenizer tokenizer) {
        Map<String, NativeModel.Parameter> parameters = new HashMap<>();
        for (NativeModel.Parameter parameter : model.parameters()) {
            checkShape(parameter, source);
            parameters.put(parameter.name(), parameter);
        }
        // The hash reads every parameter from its first element to its last; what it reads goes on to the device.
        return ModelHash.of(config, tokenizer, new CopyingWeights(source, (name, first, values, count) -> {
            NativeModel.Parameter parameter = parameters.get(name);
            if (parameter == null) {
                throw new ModelFormatException("The model has no place for the " + source.describe(name) + ".");
            }
            try {
                model.setParameter(parameter, values, first, count);
            } catch (ModelFormatException e) {
                throw new ModelFormatException(
                        "The " + source.describe(name) + " cannot be used: " + e.getMessage(), e);
            }
        }));
    }

    private static void checkShape(NativeModel.Parameter parameter, Weights source) {
        if (!source.has(parameter.name())) {
            throw new ModelFormatException("The weights hold no " + parameter.name() + ", which the model needs.");
        }
        List<Long> given = Arrays.stream(source.shape(parameter.name())).boxed().toList();
        if (!given.equals(parameter.shape())) {
            throw new ModelFormatException("The " + source.describe(parameter.name()) + " has the shape " + given
                    + ", the model needs " + parameter.shape() + ".");
        }
    }

    public ModelConfig config() {
        return config;
    }

    public WordPieceTokenizer tokenizer() {
        return tokenizer;
    }

    public Device device() {
        return device;
    }

    /** The device as it was when the model was loaded. */
    public DeviceInfo deviceInfo() {
        return deviceInfo;
    }

    /** What was made up, assumed or ignored at load: one sentence each. */
    public List<String> notices() {
        return notices;
    }

    /** Hash of shape, labels, vocabulary and all weights, 64 hexadecimal digits: what a saved memory is tied to. */
    public String sha256() {
        return sha256;
    }

    /** Bytes that the weights take on the device. */
    public long nativeBytes() {
        return weights.bytes();
    }

    /** Whether all weights come from training; false if all or some were made up. */
    public boolean trained() {
        return trained;
    }

    /**
     * A reader that has read nothing yet.
     *
     * @throws IllegalStateException if the model is closed
     * @throws MemoryBudgetException if its memory does not fit, before anything is allocated
     */
    public RmtSession newSession() {
        return over(weights.newMemory(StreamRecurrence.NUM_SLOTS, 1), RmtSession::new);
    }

    /**
     * A reader that goes on from a memory of this model, pending input included.
     *
     * @throws ModelFormatException if the memory is another model's; the message has both hashes
     */
    public RmtSession newSession(Memory start) {
        start.requireModel(sha256);
        RmtSession session = newSession();
        try {
            session.start(start);
            return session;
        } catch (RuntimeException | Error e) {
            session.close();
            throw e;
        }
    }

    /**
     * A reader of several documents of known length side by side.
     *
     * @param batchSize the most documents at once, 1 or more
     * @throws MemoryBudgetException if their memory does not fit, before anything is allocated
     */
    public RmtBatch newBatch(int batchSize) {
        if (batchSize < 1) {
            throw new IllegalArgumentException("The batch size is " + batchSize + "; it must be 1 or more.");
        }
        return over(weights.newMemory(batchSize, batchSize), RmtBatch::new);
    }

    /** Bytes that {@link #newBatch} takes on the device for that many documents. */
    public long batchBytes(int batchSize) {
        return weights.memoryBytes(batchSize, batchSize);
    }

    /** Makes a reader over a backend; the backend is not lost if the Java heap is too small for the rest. */
    private <T> T over(SegmentBackend backend, BiFunction<RmtModel, SegmentBackend, T> reader) {
        try {
            return reader.apply(this, backend);
        } catch (RuntimeException | Error e) {
            backend.close();
            throw e;
        }
    }

    SegmentLayout layout() {
        return layout;
    }

    /** Ends what can be made from the model. Its weights are freed when the last session or batch is closed. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            weights.close();
            device.release();
        }
    }

    @Override
    public String toString() {
        return "RmtModel[" + config + ", " + sha256.substring(0, 12) + "]";
    }

    /** Receives a piece of a parameter: elements {@code first ... first + count - 1} at {@code values[0 ...]}. */
    private interface PieceConsumer {
        void accept(String name, long first, float[] values, int count);
    }

    /** Weights that hand on a copy of everything that is read from them. */
    private record CopyingWeights(Weights source, PieceConsumer consumer) implements Weights {
        @Override
        public List<String> names() {
            return source.names();
        }

        @Override
        public boolean has(String name) {
            return source.has(name);
        }

        @Override
        public long[] shape(String name) {
            return source.shape(name);
        }

        @Override
        public void read(String name, long firstElement, float[] dst, int offset, int count) {
            source.read(name, firstElement, dst, offset, count);
            // The hash fills its buffer from the start, and the device takes it from there.
            consumer.accept(
                    name, firstElement, offset == 0 ? dst : Arrays.copyOfRange(dst, offset, offset + count), count);
        }

        @Override
        public String describe(String name) {
            return source.describe(name);
        }

        @Override
        public boolean trained() {
            return source.trained();
        }
    }
}
