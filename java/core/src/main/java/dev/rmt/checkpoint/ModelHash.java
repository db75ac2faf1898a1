package dev.rmt.checkpoint;

import dev.rmt.ModelConfig;
import dev.rmt.text.WordPieceTokenizer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * SHA-256 of the model that is in effect: shape, labels, vocabulary, tokenizer options, and the values of all parameters as
 * float32 in the order of their names. Two directories that behave alike have the same hash, however their tensors are
 * named, split into files or stored; a saved memory belongs to every one of them.
 */
public final class ModelHash {
    private static final String VERSION = "rmt-model-1";
    private static final int PIECE = 1 << 14;

    private final MessageDigest digest;
    private final float[] piece = new float[PIECE];
    private final ByteBuffer bytes = ByteBuffer.allocate(PIECE * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);

    private ModelHash() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every Java platform must have SHA-256.", e);
        }
    }

    /**
     * Reads all parameters once, in pieces.
     *
     * @return 64 lower-case hexadecimal digits
     */
    public static String of(ModelConfig config, WordPieceTokenizer tokenizer, Weights weights) {
        ModelHash hash = new ModelHash();
        hash.add(VERSION);
        hash.add(config);
        hash.add(tokenizer);
        for (String name : weights.names().stream().sorted().toList()) {
            hash.add(name, weights);
        }
        return HexFormat.of().formatHex(hash.digest.digest());
    }

    private void add(ModelConfig config) {
        add(config.hiddenSize());
        add(config.numLayers());
        add(config.numHeads());
        add(config.intermediateSize());
        add(config.vocabSize());
        add(config.maxPositions());
        add(config.typeVocabSize());
        add(Float.floatToIntBits(config.layerNormEps()));
        add(config.numMemTokens());
        add(config.inputLength());
        add(config.labels());
    }

    private void add(WordPieceTokenizer tokenizer) {
        add(tokenizer.options().toString());
        add(tokenizer.vocabulary().special().toString());
        int size = tokenizer.vocabulary().size();
        add(size);
        for (int id = 0; id < size; id++) {
            add(tokenizer.vocabulary().piece(id));
        }
    }

    private void add(String name, Weights weights) {
        add(name);
        long elements = 1;
        for (long dimension : weights.shape(name)) {
            add((int) dimension);
            elements *= dimension;
        }
        for (long done = 0; done < elements; ) {
            int count = (int) Math.min(PIECE, elements - done);
            weights.read(name, done, piece, 0, count);
            bytes.clear();
            bytes.asFloatBuffer().put(piece, 0, count);
            digest.update(bytes.limit(count * Float.BYTES));
            done += count;
        }
    }

    private void add(List<String> texts) {
        add(texts.size());
        texts.forEach(this::add);
    }

    /** With its length: otherwise "ab", "c" and "a", "bc" would be the same. */
    private void add(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        add(utf8.length);
        digest.update(utf8);
    }

    private void add(int value) {
        digest.update(bytes.clear().putInt(value).flip());
    }
}
