package dev.rmt.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.rmt.LoadOptions;
import dev.rmt.text.SpecialTokens;
import dev.rmt.text.WordPieceOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelHashTest {
    private static final LoadOptions OPTIONS = LoadOptions.defaults().withNumMemTokens(4);

    @TempDir
    Path folder;

    private int written;

    private String hash(TinyBert bert, LoadOptions options) {
        return hash(bert.write(newFolder()), options);
    }

    private static String hash(Path directory, LoadOptions options) {
        try (ModelDirectory opened = ModelDirectory.open(directory, options)) {
            assertThat(opened.sha256()).matches("[0-9a-f]{64}").isEqualTo(opened.sha256());
            return opened.sha256();
        }
    }

    private Path newFolder() {
        try {
            return Files.createDirectory(folder.resolve("model" + written++));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void modelsThatBehaveAlikeHaveTheSameHash() {
        String hash = hash(new TinyBert(), OPTIONS);
        assertThat(hash(new TinyBert(), OPTIONS)).isEqualTo(hash);
        assertThat(hash(new TinyBert().rename(name -> name.replace("bert.", "")), OPTIONS))
                .isEqualTo(hash);
        assertThat(hash(new TinyBert().add("cls.unused", 3), OPTIONS)).isEqualTo(hash);
        assertThat(hash(new TinyBert().writeSharded(newFolder()), OPTIONS)).isEqualTo(hash);
    }

    @Test
    void whateverChangesTheModelChangesTheHash() {
        String hash = hash(new TinyBert(), OPTIONS);
        assertThat(hash(new TinyBert(), OPTIONS.withSeed(1))).isNotEqualTo(hash);
        assertThat(hash(new TinyBert(), OPTIONS.withNumMemTokens(5))).isNotEqualTo(hash);

        TinyBert otherValue = new TinyBert();
        otherValue.tensors.get("bert.encoder.layer.1.output.dense.bias").values()[3] += 1;
        assertThat(hash(otherValue, OPTIONS)).isNotEqualTo(hash);

        TinyBert otherPiece = new TinyBert();
        otherPiece.pieces.set(19, "other");
        assertThat(hash(otherPiece, OPTIONS)).isNotEqualTo(hash);

        TinyBert otherLabel = new TinyBert();
        otherLabel.config.putObject("id2label").put("0", "no").put("1", "yes").put("2", "never");
        assertThat(hash(otherLabel, OPTIONS)).isNotEqualTo(hash);

        TinyBert otherEpsilon = new TinyBert();
        otherEpsilon.config.put("layer_norm_eps", 1e-5);
        assertThat(hash(otherEpsilon, OPTIONS)).isNotEqualTo(hash);

        TinyBert otherHeads = new TinyBert();
        otherHeads.config.put("num_attention_heads", 4);
        assertThat(hash(otherHeads, OPTIONS)).isNotEqualTo(hash);

        Path cased = new TinyBert().write(newFolder());
        TinyBert.writeText(cased.resolve("tokenizer_config.json"), "{\"do_lower_case\": false}");
        assertThat(hash(cased, OPTIONS)).isNotEqualTo(hash);
    }

    @Test
    void theTextsThatAreHashedStayAsTheyAre() {
        assertThat(WordPieceOptions.defaults())
                .hasToString("WordPieceOptions[lowerCase=true, stripAccents=null, chineseChars=true, "
                        + "continuationPrefix=##, maxWordChars=100]");
        assertThat(SpecialTokens.bert())
                .hasToString("SpecialTokens[pad=[PAD], unk=[UNK], cls=[CLS], sep=[SEP], mask=[MASK]]");
    }
}
