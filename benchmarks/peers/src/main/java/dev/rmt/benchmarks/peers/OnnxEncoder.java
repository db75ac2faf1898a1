package dev.rmt.benchmarks.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.rmt.ModelConfig;
import dev.rmt.benchmarks.peers.OnnxGraph.Attribute;
import dev.rmt.checkpoint.Weights;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * The peer: the same BERT encoder in ONNX Runtime with its fused operators (Attention, BiasGelu, SkipLayerNormalization),
 * weights as constants so that it prepacks them. Its input is the sum of the embeddings, (B, T, H), which spares it the
 * gathering of rows; its output the last hidden state, (B, T, H). {@link #write} makes a file that takes ids.
 */
final class OnnxEncoder implements AutoCloseable {
    private static final String FUSED = "com.microsoft";

    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;
    private final OnnxTensor input;
    private final FloatBuffer inputBuffer;

    OnnxEncoder(ModelConfig config, Weights weights, int batchSize, int inputLength, int threads) throws OrtException {
        OnnxGraph graph = new OnnxGraph();
        graph.input("x", batchSize, inputLength, config.hiddenSize());
        addEncoder(graph, config, weights, "x", batchSize, inputLength);
        session = environment.createSession(graph.toByteArray(), options(threads));
        int count = batchSize * inputLength * config.hiddenSize();
        inputBuffer = java.nio.ByteBuffer.allocateDirect(count * Float.BYTES)
                .order(java.nio.ByteOrder.nativeOrder())
                .asFloatBuffer();
        input = OnnxTensor.createTensor(
                environment, inputBuffer, new long[] {batchSize, inputLength, config.hiddenSize()});
    }

    /** Sum of word, position and type embeddings, (B, T, H), for the next runs. */
    void setEmbeddings(float[] sum) {
        inputBuffer.clear();
        inputBuffer.put(sum);
        inputBuffer.rewind();
    }

    /** One forward pass. The result belongs to the caller and must be closed. */
    OrtSession.Result run() throws OrtException {
        return session.run(Map.of("x", input));
    }

    @Override
    public void close() throws OrtException {
        input.close();
        session.close();
    }

    static OrtSession.SessionOptions options(int threads) throws OrtException {
        OrtSession.SessionOptions options = new OrtSession.SessionOptions();
        options.setIntraOpNumThreads(threads);
        options.setInterOpNumThreads(1);
        options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
        return options;
    }

    static String version() {
        return OrtEnvironment.getEnvironment().getVersion() + " (fused operators)";
    }

    /**
     * Writes the whole model for one document: ids (1, T) in, memory rows being the last of the word embeddings; last hidden
     * state out.
     */
    static void write(Path file, ModelConfig config, Weights weights) throws IOException {
        int h = config.hiddenSize();
        int t = config.inputLength();
        int words = config.vocabSize() * h;
        float[] table = Arrays.copyOf(
                read(weights, "embeddings.word_embeddings.weight", words), words + config.numMemTokens() * h);
        weights.read(Weights.MEMORY, 0, table, words, config.numMemTokens() * h);
        float[] places = read(weights, "embeddings.position_embeddings.weight", t * h);
        float[] type = read(weights, "embeddings.token_type_embeddings.weight", h);
        for (int i = 0; i < places.length; i++) {
            places[i] += type[i % h];
        }
        OnnxGraph graph = new OnnxGraph();
        graph.inputIds("ids", 1, t);
        String rows = graph.node(
                "",
                "Gather",
                "rows",
                List.of(graph.constant("words", table, config.vocabSize() + config.numMemTokens(), h), "ids"));
        String sum = graph.node("", "Add", "sum", List.of(rows, graph.constant("places", places, t, h)));
        addEncoder(graph, config, weights, sum, 1, t);
        Files.write(file, graph.toByteArray());
    }

    private static void addEncoder(
            OnnxGraph graph, ModelConfig config, Weights weights, String sum, int batchSize, int inputLength) {
        int h = config.hiddenSize();
        int f = config.intermediateSize();
        Attribute epsilon = new Attribute("epsilon", config.layerNormEps());
        String x = graph.node(
                "",
                "LayerNormalization",
                "embedded",
                List.of(
                        sum,
                        vector(graph, weights, "embeddings.LayerNorm.weight", h),
                        vector(graph, weights, "embeddings.LayerNorm.bias", h)),
                epsilon);
        for (int layer = 0; layer < config.numLayers(); layer++) {
            String p = "encoder.layer." + layer + ".";
            String self = p + "attention.self.";
            String qkv = graph.constant(
                    p + "qkv",
                    sideBySide(h, weights, self + "query.weight", self + "key.weight", self + "value.weight"),
                    h,
                    3L * h);
            String qkvBias = graph.constant(
                    p + "qkv.bias",
                    joined(h, weights, self + "query.bias", self + "key.bias", self + "value.bias"),
                    3L * h);
            String attention = graph.node(
                    FUSED,
                    "Attention",
                    p + "attention",
                    List.of(x, qkv, qkvBias),
                    new Attribute("num_heads", config.numHeads()));
            String projected = graph.node(
                    "",
                    "MatMul",
                    p + "projected",
                    List.of(attention, transposed(graph, weights, p + "attention.output.dense.weight", h, h)));
            String attended = graph.node(
                    FUSED,
                    "SkipLayerNormalization",
                    p + "attended",
                    List.of(
                            projected,
                            x,
                            vector(graph, weights, p + "attention.output.LayerNorm.weight", h),
                            vector(graph, weights, p + "attention.output.LayerNorm.bias", h),
                            vector(graph, weights, p + "attention.output.dense.bias", h)),
                    epsilon);
            String inner = graph.node(
                    "",
                    "MatMul",
                    p + "inner",
                    List.of(attended, transposed(graph, weights, p + "intermediate.dense.weight", f, h)));
            String activated = graph.node(
                    FUSED,
                    "BiasGelu",
                    p + "activated",
                    List.of(inner, vector(graph, weights, p + "intermediate.dense.bias", f)));
            String outer = graph.node(
                    "",
                    "MatMul",
                    p + "outer",
                    List.of(activated, transposed(graph, weights, p + "output.dense.weight", h, f)));
            x = graph.node(
                    FUSED,
                    "SkipLayerNormalization",
                    p + "output",
                    List.of(
                            outer,
                            attended,
                            vector(graph, weights, p + "output.LayerNorm.weight", h),
                            vector(graph, weights, p + "output.LayerNorm.bias", h),
                            vector(graph, weights, p + "output.dense.bias", h)),
                    epsilon);
        }
        graph.output(x, batchSize, inputLength, h);
    }

    static float[] read(Weights weights, String name, int count) {
        float[] values = new float[count];
        weights.read(name, 0, values, 0, count);
        return values;
    }

    private static String vector(OnnxGraph graph, Weights weights, String name, int size) {
        return graph.constant(name, read(weights, name, size), size);
    }

    /** A linear weight (out, in) as the (in, out) that MatMul wants. */
    private static String transposed(OnnxGraph graph, Weights weights, String name, int out, int in) {
        float[] values = read(weights, name, out * in);
        float[] turned = new float[values.length];
        for (int o = 0; o < out; o++) {
            for (int i = 0; i < in; i++) {
                turned[i * out + o] = values[o * in + i];
            }
        }
        return graph.constant(name, turned, in, out);
    }

    /** Three (h, h) linear weights, transposed and put side by side: (h, 3h). */
    private static float[] sideBySide(int h, Weights weights, String... names) {
        float[] result = new float[h * names.length * h];
        for (int n = 0; n < names.length; n++) {
            float[] values = read(weights, names[n], h * h);
            for (int o = 0; o < h; o++) {
                for (int i = 0; i < h; i++) {
                    result[i * names.length * h + n * h + o] = values[o * h + i];
                }
            }
        }
        return result;
    }

    private static float[] joined(int h, Weights weights, String... names) {
        float[] result = new float[h * names.length];
        for (int n = 0; n < names.length; n++) {
            System.arraycopy(read(weights, names[n], h), 0, result, n * h, h);
        }
        return result;
    }
}
