package dev.rmt;

import dev.rmt.internal.SegmentBackend;
import dev.rmt.internal.StreamRecurrence;
import dev.rmt.text.WordPieceStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * Reads one text of any length in constant memory. All {@code read} calls continue that text, as if their inputs were
 * one; it is cut LEFT, every S tokens become a segment as soon as they are there, and the bits do not depend on how the
 * input was divided. The end of an input flushes nothing: up to S - 1 tokens and an unfinished word or character wait,
 * are part of {@link #memory} and {@link #save}, and are read by {@link #ask}.
 *
 * <p>One thread at a time: a call during another call is {@link IllegalStateException}, as is every call after {@link
 * #close}. A call that throws leaves the session whole: it has read the input up to some point and can read on. Java heap
 * per segment in steady state: less than 1 kB.
 */
public final class RmtSession implements AutoCloseable {
    /**
     * Input is taken in pieces of this size, about one segment of English: the session can stop between two of them with
     * nothing half done.
     */
    private static final int PIECE = 2048;

    private final RmtModel model;
    private final SegmentBackend backend;
    private final StreamRecurrence recurrence;
    private final WordPieceStream text;
    private final Occupancy occupancy;
    private final byte[] bytes = new byte[PIECE];

    RmtSession(RmtModel model, SegmentBackend backend) {
        this.model = model;
        this.backend = backend;
        recurrence = new StreamRecurrence(backend, model.layout());
        text = model.tokenizer().newStream();
        occupancy = new Occupancy("session", backend::close);
    }

    /** Goes on from a memory of the same model. */
    void start(Memory memory) {
        ModelConfig config = model.config();
        int[] pending = memory.pendingIds();
        if (memory.numMemTokens() != config.numMemTokens()
                || memory.hiddenSize() != config.hiddenSize()
                || pending.length >= config.segmentSize()) {
            throw new ModelFormatException(
                    "The memory of " + memory.numMemTokens() + " x " + memory.hiddenSize() + " and "
                            + pending.length + " pending tokens does not fit the model, which has "
                            + config.numMemTokens() + " x "
                            + config.hiddenSize() + " and segments of " + config.segmentSize() + ".");
        }
        try {
            checkIds(pending);
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException("The pending input of the memory is damaged: " + e.getMessage(), e);
        }
        text.restoreState(memory.unfinished());
        recurrence.setMemory(memory.values());
        recurrence.restore(pending, memory.tokens(), memory.segments());
    }

    /**
     * A session that goes on where {@link #save} was called.
     *
     * @throws ModelFormatException if the file is missing or damaged, or was saved with another model
     */
    public static RmtSession restore(RmtModel model, Path file) {
        return model.newSession(Memory.read(file));
    }

    public RmtModel model() {
        return model;
    }

    /**
     * Reads a file of UTF-8.
     *
     * @throws InputException if there is no such file or it is a directory
     * @throws IOException if it cannot be read; what came before stays read
     * @throws ReadInterruptedException if the thread is interrupted
     */
    public ReadReport read(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new InputException(file + " is a directory; give a file of text.");
        }
        try (InputStream in = Files.newInputStream(file)) {
            return read(in);
        } catch (NoSuchFileException e) {
            throw new InputException("There is no file " + file + "; check the path.", e);
        }
    }

    /**
     * Reads a stream of UTF-8 to its end and does not close it. Malformed bytes are replaced and counted.
     *
     * @throws IOException if it cannot be read; what came before stays read
     * @throws ReadInterruptedException if the thread is interrupted
     */
    public ReadReport read(InputStream in) throws IOException {
        Objects.requireNonNull(in, "in");
        occupancy.enter();
        try {
            Progress progress = new Progress();
            drain();
            int count;
            while ((count = in.read(bytes, 0, bytes.length)) >= 0) {
                text.feedBytes(bytes, 0, count);
                drain();
                progress.advance(count);
            }
            return progress.report();
        } finally {
            occupancy.leave();
        }
    }

    /**
     * Reads a text. Lone surrogates are replaced and counted; a pair may be divided between two calls.
     *
     * @throws ReadInterruptedException if the thread is interrupted
     */
    public ReadReport read(CharSequence chars) {
        int length = chars.length();
        occupancy.enter();
        try {
            Progress progress = new Progress();
            drain();
            for (int start = 0; start < length; start += PIECE) {
                int end = Math.min(start + PIECE, length);
                text.feedChars(chars, start, end);
                drain();
                progress.advance(end - start);
            }
            return progress.report();
        } finally {
            occupancy.leave();
        }
    }

    /**
     * Reads tokens. An unfinished word or character of earlier text ends before them, as by {@link #boundary}.
     *
     * @param ids content tokens, 0 ... V - 1
     * @throws IllegalArgumentException if an id is not in the vocabulary; nothing is read then
     * @throws ReadInterruptedException if the thread is interrupted
     */
    public ReadReport read(int[] ids) {
        occupancy.enter();
        try {
            checkIds(ids);
            Progress progress = new Progress();
            drain();
            text.boundary();
            drain();
            for (int at = 0; at < ids.length; ) {
                int count = Math.min(recurrence.room(), ids.length - at);
                System.arraycopy(ids, at, recurrence.buffer(), recurrence.pendingCount(), count);
                recurrence.added(count);
                recurrence.runIfFull();
                at += count;
                progress.advance(count);
            }
            return progress.report();
        } finally {
            occupancy.leave();
        }
    }

    /** Ends an unfinished word or character, as white space between two texts does. */
    public void boundary() {
        occupancy.enter();
        try {
            drain();
            text.boundary();
            drain();
        } finally {
            occupancy.leave();
        }
    }

    /**
     * Asks about what has been read so far, as if the text ended with the question. A probe: the session is afterwards as
     * if it had not been asked. What is pending and the question form the last segment; where they exceed S tokens, the
     * pending ones become a segment and the question another.
     *
     * @throws InputException if the question has no token, or more than S
     * @throws IllegalStateException if the model has no labels
     */
    public Answer ask(String question) {
        occupancy.enter();
        try {
            List<String> labels = model.config().labels();
            if (labels.isEmpty()) {
                throw new IllegalStateException("The model has no classifier, so it cannot answer.");
            }
            int[] ids = questionIds(question);
            drain();
            int[] tail = tail();
            return Answer.ofLogits(recurrence.ask(tail, tail.length, ids), labels);
        } finally {
            occupancy.leave();
        }
    }

    /**
     * Shows a watcher every segment that runs from now on, those of questions included; null: nobody looks any more.
     * Looking changes no bit of what is read. It takes time, and heap for the attention that is asked for: 4 bytes x layers
     * x heads x T x T.
     *
     * @throws IllegalArgumentException later, from the call that reads and before the segment runs, if the watcher names a
     *     layer that there is not
     */
    public void watch(SegmentWatcher watcher) {
        occupancy.enter();
        try {
            recurrence.watch(watcher == null ? null : new SegmentWatching(model, watcher));
        } finally {
            occupancy.leave();
        }
    }

    /**
     * Shows the watcher what waits for a full segment as if the text ended here. A probe like {@link #ask}: the session is
     * afterwards as it was. Nothing happens where nothing waits.
     */
    public void peek() {
        occupancy.enter();
        try {
            drain();
            int[] tail = tail();
            recurrence.peek(tail, tail.length);
        } finally {
            occupancy.leave();
        }
    }

    /** Tokens that an unfinished word would become if the text ended here. */
    private int[] tail() {
        WordPieceStream ending = model.tokenizer().newStream();
        ending.restoreState(text.saveState());
        ending.finish();
        int[] tail = new int[model.tokenizer().options().maxWordChars()];
        return Arrays.copyOf(tail, ending.drain(tail, 0, tail.length));
    }

    private int[] questionIds(String question) {
        int[] ids = model.tokenizer().encode(question);
        int segmentSize = model.config().segmentSize();
        if (ids.length == 0) {
            throw new InputException("The question is empty; give one that has at least one word.");
        }
        if (ids.length > segmentSize) {
            throw new InputException("The question has " + ids.length + " tokens, a segment holds " + segmentSize
                    + "; ask a shorter one, or read the beginning of it as text.");
        }
        return ids;
    }

    /** A snapshot: the memory and what is pending. */
    public Memory memory() {
        occupancy.enter();
        try {
            drain();
            ModelConfig config = model.config();
            float[] values = new float[backend.memorySize()];
            recurrence.getMemory(values);
            return new Memory(
                    model.sha256(),
                    config.numMemTokens(),
                    config.hiddenSize(),
                    values,
                    recurrence.pendingIds(),
                    text.saveState(),
                    recurrence.tokens(),
                    recurrence.segments());
        } finally {
            occupancy.leave();
        }
    }

    /**
     * Writes {@link #memory} to a file, whole or not at all.
     *
     * @throws RmtException if it cannot be written
     */
    public void save(Path file) {
        memory().write(file);
    }

    /** Tokens that wait for a full segment, 0 ... S - 1. */
    public int pendingTokens() {
        occupancy.enter();
        try {
            return recurrence.pendingCount();
        } finally {
            occupancy.leave();
        }
    }

    /** Bytes that memory and workspace take on the device; they never grow. */
    public long nativeBytes() {
        return backend.bytes();
    }

    /**
     * Frees the session. If another thread is inside a call, that call ends with {@link IllegalStateException} before its
     * next segment and frees the session as it leaves. Never throws; does nothing the second time.
     */
    @Override
    public void close() {
        occupancy.close();
    }

    /** Takes all ids that the text has ready and runs every segment that gets full. */
    private void drain() {
        while (true) {
            // Only after a device failed is the segment full here: then it is tried again.
            runIfFull();
            int room = recurrence.room();
            int count = text.drain(recurrence.buffer(), recurrence.pendingCount(), room);
            recurrence.added(count);
            if (count < room) {
                return;
            }
            runIfFull();
        }
    }

    private void runIfFull() {
        occupancy.requireOpen();
        recurrence.runIfFull();
    }

    private void checkIds(int[] ids) {
        int vocabSize = model.config().vocabSize();
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] < 0 || ids[i] >= vocabSize) {
                throw new IllegalArgumentException(
                        "Token id " + ids[i] + " at index " + i + " is outside the vocabulary of " + vocabSize + ".");
            }
        }
    }

    /** Counts of one call: what the session has read now, less what it had read before. */
    private final class Progress {
        private final long start = System.nanoTime();
        private final long tokens = recurrence.tokens();
        private final long segments = recurrence.segments();
        private final long unknown = text.unknownTokens();
        private final long replaced = text.replacedBytes();
        private long consumed;

        /** Notes that so much more of the input has been read, and stops if the thread is interrupted. */
        void advance(int units) {
            consumed += units;
            if (Thread.currentThread().isInterrupted()) {
                throw new ReadInterruptedException(report(), consumed);
            }
        }

        ReadReport report() {
            return new ReadReport(
                    recurrence.tokens() - tokens,
                    recurrence.segments() - segments,
                    recurrence.pendingCount(),
                    text.pendingBytes(),
                    text.unknownTokens() - unknown,
                    text.replacedBytes() - replaced,
                    (System.nanoTime() - start) * 1e-9);
        }
    }
}
