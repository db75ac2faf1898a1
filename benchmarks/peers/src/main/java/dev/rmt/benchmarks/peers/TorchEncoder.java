package dev.rmt.benchmarks.peers;

import dev.rmt.ModelConfig;
import dev.rmt.checkpoint.Weights;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AutoGradMode;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * A peer: the same BERT encoder in libtorch, with one matrix for queries, keys and values and its fused attention. Memory rows
 * are the last rows of the word embeddings, with ids of their own, as the public implementation has them.
 */
final class TorchEncoder implements AutoCloseable {
    private static final String WORDS = "embeddings.word_embeddings.weight";
    private static final String[] PROJECTIONS = {"query", "key", "value"};

    private final ModelConfig config;
    private final int threads;
    private final Map<String, Tensor> parameters = new LinkedHashMap<>();
    private final Tensor ids;
    private final Tensor labels;

    /**
     * @param ids (B, T), memory from position 1 on
     * @param labels (B)
     * @param trains whether gradients are wanted
     */
    TorchEncoder(ModelConfig config, Weights weights, int[] ids, int[] labels, int threads, boolean trains) {
        this.config = config;
        this.threads = threads;
        String built = torch.show_config().getString();
        if (!built.contains("BLAS_INFO=mkl")) {
            throw new IllegalStateException(
                    "This libtorch is not the official build with MKL, but one that would flatter us: " + built);
        }
        for (String name : weights.names()) {
            if (!name.equals(Weights.MEMORY) && !name.contains(".attention.self.")) {
                parameters.put(name, tensor(read(weights, name), weights.shape(name)));
            }
        }
        long h = config.hiddenSize();
        parameters.put(
                WORDS,
                tensor(
                        joined(read(weights, WORDS), read(weights, Weights.MEMORY)),
                        config.vocabSize() + config.numMemTokens(),
                        h));
        for (int layer = 0; layer < config.numLayers(); layer++) {
            String self = self(layer);
            parameters.put(self + "weight", tensor(projections(weights, self, ".weight"), 3 * h, h));
            parameters.put(self + "bias", tensor(projections(weights, self, ".bias"), 3 * h));
        }
        parameters.values().forEach(parameter -> parameter.requires_grad_(trains));
        int length = config.inputLength();
        long[] wide = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            int memory = i % length - 1;
            boolean isMemory = memory >= 0 && memory < config.numMemTokens();
            wide[i] = isMemory ? config.vocabSize() + memory : ids[i];
        }
        this.ids = Tensor.create(wide, ids.length / length, length);
        this.labels = Tensor.create(Arrays.stream(labels).asLongStream().toArray(), labels.length);
    }

    /** Version and what computes matrix products. */
    static String version() {
        return torch.TORCH_VERSION + " (MKL" + (torch.hasMKLDNN() ? ", oneDNN" : "") + ")";
    }

    /** Forward without gradients; the result is thrown away. */
    void forward() {
        try (PointerScope inner = new PointerScope();
                AutoGradMode none = new AutoGradMode(false)) {
            hidden();
        }
    }

    /** Memory rows of the last hidden state of document 0, (M, H). */
    float[] memoryRows() {
        try (PointerScope inner = new PointerScope();
                AutoGradMode none = new AutoGradMode(false)) {
            return floats(hidden().select(0, 0).narrow(0, 1, config.numMemTokens()));
        }
    }

    /** Forward, loss, backward; gradients are dropped. */
    void forwardAndBackward() {
        try (PointerScope inner = new PointerScope()) {
            loss().backward();
            dropGradients();
        }
    }

    /** Mean cross entropy and the gradients of one pass, by the names of {@link Weights}; none of key biases. */
    Map<String, float[]> gradients() {
        try (PointerScope inner = new PointerScope()) {
            loss().backward();
            Map<String, float[]> gradients = new LinkedHashMap<>();
            parameters.forEach((name, parameter) -> split(name, floats(parameter.grad()), gradients));
            dropGradients();
            return gradients;
        }
    }

    private void dropGradients() {
        parameters.values().forEach(parameter -> parameter.mutable_grad().reset());
    }

    private void split(String name, float[] values, Map<String, float[]> gradients) {
        if (name.equals(WORDS)) {
            int words = config.vocabSize() * config.hiddenSize();
            gradients.put(WORDS, Arrays.copyOf(values, words));
            gradients.put(Weights.MEMORY, Arrays.copyOfRange(values, words, values.length));
        } else if (name.contains(".attention.self.")) {
            int part = values.length / PROJECTIONS.length;
            int end = name.lastIndexOf('.');
            for (int i = 0; i < PROJECTIONS.length; i++) {
                String own = name.substring(0, end + 1) + PROJECTIONS[i] + "." + name.substring(end + 1);
                if (!own.endsWith("key.bias")) {
                    gradients.put(own, Arrays.copyOfRange(values, i * part, (i + 1) * part));
                }
            }
        } else {
            gradients.put(name, values);
        }
    }

    private Tensor loss() {
        Tensor first = hidden().select(1, 0);
        Tensor pooled = torch.tanh(linear(first, "pooler.dense"));
        return torch.cross_entropy_loss(linear(pooled, "classifier"), labels);
    }

    /** The last hidden state, (B, T, H). */
    private Tensor hidden() {
        torch.set_num_threads(threads); // of the process; another encoder may have set its own
        Tensor sum = torch.embedding(parameters.get(WORDS), ids)
                .add(parameters.get("embeddings.position_embeddings.weight"))
                .add(parameters.get("embeddings.token_type_embeddings.weight").select(0, 0));
        Tensor x = norm(sum, "embeddings");
        for (int layer = 0; layer < config.numLayers(); layer++) {
            String p = "encoder.layer." + layer + ".";
            Tensor attended = norm(
                    linear(attention(x, layer), p + "attention.output.dense").add(x), p + "attention.output");
            Tensor inner = torch.gelu(linear(attended, p + "intermediate.dense"));
            x = norm(linear(inner, p + "output.dense").add(attended), p + "output");
        }
        return x;
    }

    private Tensor attention(Tensor x, int layer) {
        long b = ids.size(0);
        long t = config.inputLength();
        String self = self(layer);
        TensorVector qkv = linear(x, self)
                .view(b, t, PROJECTIONS.length, config.numHeads(), config.headSize())
                .permute(2, 0, 3, 1, 4)
                .unbind(0);
        return torch.scaled_dot_product_attention(
                        qkv.get(0), qkv.get(1), qkv.get(2), new TensorOptional(), 0, false, new DoubleOptional(), false)
                .transpose(1, 2)
                .reshape(b, t, config.hiddenSize());
    }

    private Tensor linear(Tensor x, String name) {
        String prefix = name.endsWith(".") ? name : name + ".";
        return torch.linear(x, parameters.get(prefix + "weight"), new TensorOptional(parameters.get(prefix + "bias")));
    }

    private Tensor norm(Tensor x, String name) {
        return torch.layer_norm(
                x,
                new long[] {config.hiddenSize()},
                new TensorOptional(parameters.get(name + ".LayerNorm.weight")),
                new TensorOptional(parameters.get(name + ".LayerNorm.bias")),
                config.layerNormEps(),
                true);
    }

    private static String self(int layer) {
        return "encoder.layer." + layer + ".attention.self.";
    }

    private static Tensor tensor(float[] values, long... shape) {
        return Tensor.create(values, shape);
    }

    private static float[] floats(Tensor tensor) {
        Tensor packed = tensor.contiguous();
        float[] values = new float[Math.toIntExact(packed.numel())];
        packed.data_ptr_float().get(values);
        return values;
    }

    private static float[] read(Weights weights, String name) {
        float[] values =
                new float[Math.toIntExact(Arrays.stream(weights.shape(name)).reduce(1, Math::multiplyExact))];
        weights.read(name, 0, values, 0, values.length);
        return values;
    }

    private static float[] projections(Weights weights, String self, String suffix) {
        float[] result = new float[0];
        for (String projection : PROJECTIONS) {
            result = joined(result, read(weights, self + projection + suffix));
        }
        return result;
    }

    private static float[] joined(float[] first, float[] second) {
        float[] result = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, result, first.length, second.length);
        return result;
    }

    @Override
    public void close() {
        parameters.values().forEach(Tensor::close);
        ids.close();
        labels.close();
    }
}
