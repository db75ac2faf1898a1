package dev.rmt.task;

import dev.rmt.InputException;
import dev.rmt.MemoryBudgetException;
import dev.rmt.text.WordPieceTokenizer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;

/**
 * Text without any fact in it, tokenised once, that samples cut their noise from: it starts anywhere and goes round.
 * Sentences that could pass for a fact are left out: those with a task name and a place, or with two places and a compass
 * word. Immutable; may be shared by threads. Takes 4 bytes of heap per token.
 */
public final class Noise {
    private static final int MAX_TOKENS = 200_000_000;
    private static final int GENERATED_TOKENS = 300_000;
    private static final int CHUNK_BITS = 16;
    private static final int CHUNK = 1 << CHUNK_BITS;

    private final List<int[]> chunks;
    private final int tokens;
    private final long unknown;
    private final long dropped;
    private final long replacedBytes;

    private Noise(Collector collector, String source) {
        if (collector.tokens == 0) {
            throw new InputException("The noise of " + source + " holds no text"
                    + (collector.dropped > 0
                            ? " but sentences that could be facts of the tasks: give other text."
                            : ": give plain text."));
        }
        chunks = collector.chunks;
        tokens = collector.tokens;
        unknown = collector.unknown;
        dropped = collector.dropped;
        replacedBytes = collector.replacedBytes;
    }

    /**
     * The noise of plain-text files in UTF-8 (malformed bytes are replaced and counted), and of all {@code *.txt} files in
     * folders, at any depth, in the order of their paths.
     *
     * @throws InputException if something named does not exist, cannot be read, is empty, binary, or without text, or if it
     *     is all together more than 200 million tokens
     * @throws MemoryBudgetException if the tokens do not fit into the Java heap
     */
    public static Noise files(List<Path> filesOrFolders, WordPieceTokenizer tokenizer) {
        return files(filesOrFolders, tokenizer, MAX_TOKENS);
    }

    static Noise files(List<Path> filesOrFolders, WordPieceTokenizer tokenizer, int maxTokens) {
        List<Path> files = TextFiles.expand(filesOrFolders);
        Collector collector = new Collector(tokenizer, maxTokens);
        SentenceSplitter splitter = new SentenceSplitter(collector::add);
        try {
            for (Path file : files) {
                collector.replacedBytes += TextFiles.decode(file, splitter::feed);
                splitter.finish(); // no sentence goes on in another file
            }
        } catch (OutOfMemoryError e) {
            // The size cannot be known before tokenising; whatever has been read becomes garbage here.
            long held = collector.tokens;
            collector.chunks.clear();
            throw new MemoryBudgetException("The noise needs more than " + ((held * Integer.BYTES) >> 20)
                    + " MiB of Java heap, of " + (Runtime.getRuntime().maxMemory() >> 20)
                    + " MiB in all: give less text or a larger -Xmx.");
        }
        return new Noise(collector, files.size() == 1 ? files.get(0).toString() : files.size() + " files");
    }

    /**
     * At least 300,000 tokens of the built-in prose ({@link ProseGenerator}), so that nothing has to be brought along. The
     * same tokenizer and seed give the same noise.
     */
    public static Noise generated(WordPieceTokenizer tokenizer, long seed) {
        Collector collector = new Collector(tokenizer, MAX_TOKENS);
        SentenceSplitter splitter = new SentenceSplitter(collector::add);
        ProseGenerator prose = new ProseGenerator(seed);
        while (collector.tokens < GENERATED_TOKENS) {
            splitter.feed(prose.nextParagraph());
            splitter.finish();
        }
        return new Noise(collector, "the built-in generator");
    }

    /** How many tokens there are before the noise starts again. */
    public long tokens() {
        return tokens;
    }

    /** The share of tokens that the vocabulary has no word for, 0 to 1. */
    public double unknownShare() {
        return (double) unknown / tokens;
    }

    /** How many sentences were left out because they could pass for a fact. */
    public long droppedSentences() {
        return dropped;
    }

    /** How many bytes were not UTF-8 and have been replaced. */
    public long replacedBytes() {
        return replacedBytes;
    }

    /** Hash of the token ids in 64 hexadecimal digits: what depends on the noise is the same where this is. */
    public String sha256() {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("Every Java platform must have SHA-256.", e);
        }
        for (int first = 0; first < tokens; first += CHUNK) {
            int count = Math.min(CHUNK, tokens - first);
            ByteBuffer bytes = ByteBuffer.allocate(count * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asIntBuffer().put(chunks.get(first >>> CHUNK_BITS), 0, count);
            digest.update(bytes);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /**
     * Copies {@code length} ids from {@code from} on to {@code ids[offset ...]}, going round at the end.
     *
     * @return where to go on
     */
    int copy(int from, int[] ids, int offset, int length) {
        int position = from;
        int done = 0;
        while (done < length) {
            int inChunk = position & (CHUNK - 1);
            int count = Math.min(length - done, Math.min(CHUNK - inChunk, tokens - position));
            System.arraycopy(chunks.get(position >>> CHUNK_BITS), inChunk, ids, offset + done, count);
            done += count;
            position = skip(position, count);
        }
        return position;
    }

    /** Where to go on after leaving out {@code count} tokens. */
    int skip(int from, int count) {
        return (int) (((long) from + count) % tokens);
    }

    /** Tokenises sentences and keeps their ids in pieces that need not be copied to grow. */
    private static final class Collector {
        private final WordPieceTokenizer tokenizer;
        private final int maxTokens;
        private final int unkId;
        private final List<int[]> chunks = new ArrayList<>();
        private int tokens;
        private long unknown;
        private long dropped;
        private long replacedBytes;

        Collector(WordPieceTokenizer tokenizer, int maxTokens) {
            this.tokenizer = Objects.requireNonNull(tokenizer, "tokenizer");
            this.maxTokens = maxTokens;
            this.unkId = tokenizer.vocabulary().unkId();
        }

        void add(CharSequence sentence) {
            if (TaskWords.couldBeFact(sentence)) {
                dropped++;
                return;
            }
            int[] ids = tokenizer.encode(sentence);
            if (ids.length > maxTokens - tokens) {
                throw new InputException(
                        "The noise is more than " + maxTokens + " tokens, the most there may be: give less text.");
            }
            for (int id : ids) {
                int inChunk = tokens & (CHUNK - 1);
                if (inChunk == 0) {
                    chunks.add(new int[CHUNK]);
                }
                chunks.get(chunks.size() - 1)[inChunk] = id;
                tokens++;
                unknown += id == unkId ? 1 : 0;
            }
        }
    }
}
