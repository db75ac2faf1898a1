package dev.rmt.text;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** What the tests of this package share: small vocabularies, random texts, ways to read ids, the golden files. */
final class TextFixtures {
    private TextFixtures() {}

    /** Special tokens, every printable ASCII character in both forms, a few words, accented letters, an ideograph. */
    static Vocabulary smallVocabulary() {
        List<String> pieces = new ArrayList<>(SpecialTokens.bert().pieces());
        for (char c = '!'; c <= '~'; c++) {
            pieces.add(String.valueOf(c));
            pieces.add("##" + c);
        }
        pieces.addAll(List.of(
                "the", "##ing", "mary", "garden", "un", "##aff", "##able", "é", "##é", "ß", "##ß", "σ", "##σ", "漢",
                "字"));
        pieces.addAll(List.of(
                "\u302E",
                "##\u302E",
                "\uD834\uDD65",
                "##\uD834\uDD65",
                "\u1100",
                "##\u1100",
                "##\u1161",
                "##\u11A8",
                "“"));
        return Vocabulary.of(pieces);
    }

    static WordPieceTokenizer smallTokenizer() {
        return new WordPieceTokenizer(smallVocabulary(), WordPieceOptions.defaults());
    }

    /** The options that differ in what they do, and ideographs within words. */
    static List<WordPieceOptions> allOptions() {
        List<WordPieceOptions> all = new ArrayList<>();
        for (boolean lowerCase : new boolean[] {true, false}) {
            all.add(new WordPieceOptions(lowerCase, null, true));
            all.add(new WordPieceOptions(lowerCase, !lowerCase, true));
        }
        all.add(new WordPieceOptions(true, null, false));
        return all;
    }

    /** Text of all kinds of characters, also those that have rules of their own, and lone surrogates. */
    static String randomText(Random random, int length) {
        StringBuilder text = new StringBuilder();
        while (text.length() < length) {
            switch (random.nextInt(14)) {
                case 0 -> text.append((char) (0x300 + random.nextInt(0x70)));
                case 1 -> text.append((char) (0xC0 + random.nextInt(0x190)));
                case 2 -> text.append((char) (0xAC00 + random.nextInt(11172)));
                case 3 -> text.append((char) (0x4E00 + random.nextInt(0x5000)));
                case 4 -> text.appendCodePoint(0x1D165 + random.nextInt(14));
                case 5 -> text.append("\u302E\u302F\u0F71\u0F73\u1B44\u094D\u0941".charAt(random.nextInt(7)));
                case 6 -> text.append(" \t\n\u00A0\u3000\u2028".charAt(random.nextInt(6)));
                case 7 -> text.append("\u0000\uFFFD\uFEFF\u200B\u00AD\u0085".charAt(random.nextInt(6)));
                case 8 -> text.append(".,!?-#“”…、\u037E\u2260".charAt(random.nextInt(12)));
                case 9 -> text.append((char) random.nextInt(0x10000));
                case 10 -> text.appendCodePoint(0x10000 + random.nextInt(0x20000));
                default -> text.append("the mary garden unaffable ABCing".charAt(random.nextInt(32)));
            }
        }
        return text.toString();
    }

    /** All ids that can be drained, asked for in portions of a given size. */
    static int[] drain(WordPieceStream stream, int portion) {
        int[] all = {};
        int[] ids = new int[portion];
        int n;
        do {
            n = stream.drain(ids, 0, portion);
            int size = all.length;
            all = Arrays.copyOf(all, size + n);
            System.arraycopy(ids, 0, all, size, n);
        } while (n == portion);
        return all;
    }

    static int[] concat(int[] a, int[] b) {
        int[] out = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, out, a.length, b.length);
        return out;
    }

    /** A file of the golden set; the test is skipped where there is none. */
    static Path golden(String name) {
        String folder = System.getenv("RMT_GOLDEN_DIR");
        Path root = folder == null ? repositoryRoot().resolve("../shared/data/golden") : Path.of(folder);
        Path file = root.resolve(name).normalize();
        assumeTrue(
                Files.exists(file),
                () -> "No golden files: " + file + " does not exist. RMT_GOLDEN_DIR names their folder.");
        return file;
    }

    private static Path repositoryRoot() {
        Path folder = Path.of("").toAbsolutePath();
        for (Path at = folder; at != null; at = at.getParent()) {
            if (Files.exists(at.resolve("native/include/rmt/rmt.h"))) {
                return at;
            }
        }
        return folder;
    }
}
