package dev.rmt;

import dev.rmt.task.MemoryTask;
import dev.rmt.text.TokenSource;
import dev.rmt.text.Vocabulary;
import dev.rmt.text.WordPieceOptions;
import dev.rmt.text.WordPieceTokenizer;
import java.util.ArrayList;
import java.util.List;

/** Small untrained models whose vocabulary is letters, so that every text has many tokens and every word several. */
public final class TestModels {
    public static final long SEED = 7;

    private TestModels() {}

    public static WordPieceTokenizer tokenizer() {
        List<String> pieces = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "?"));
        for (char letter = 'a'; letter <= 'z'; letter++) {
            pieces.add(String.valueOf(letter));
            pieces.add("##" + letter);
        }
        pieces.add("é");
        pieces.add("##é");
        pieces.add("世");
        return new WordPieceTokenizer(Vocabulary.of(pieces), new WordPieceOptions(true, false, true));
    }

    /** S = 16 unless changed. */
    public static ModelConfig.Builder config() {
        return ModelConfig.builder()
                .hiddenSize(32)
                .numLayers(2)
                .numHeads(4)
                .intermediateSize(48)
                .vocabSize(tokenizer().vocabulary().size())
                .maxPositions(32)
                .inputLength(23)
                .numMemTokens(4)
                .labels(MemoryTask.LABELS);
    }

    public static RmtModel tiny(Device device) {
        return RmtModel.untrained(config().build(), tokenizer(), SEED, device);
    }

    public static RmtModel tiny() {
        return tiny(Device.cpu(1));
    }

    /** Gives the ids, as many at a time as are asked for. */
    public static TokenSource source(int[] ids) {
        int[] next = {0};
        return (out, offset, length) -> {
            int count = Math.min(length, ids.length - next[0]);
            System.arraycopy(ids, next[0], out, offset, count);
            next[0] += count;
            return count == 0 && length > 0 ? -1 : count;
        };
    }
}
