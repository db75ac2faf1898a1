package dev.rmt.text;

import dev.rmt.InputException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Objects;

/**
 * Tokenises a text that comes in pieces of any size, in constant memory: give input, drain its ids, give more input.
 *
 * <pre>{@code
 * stream.feedBytes(buffer, 0, count);
 * while ((n = stream.drain(ids, 0, ids.length)) > 0) { ... }
 * }</pre>
 *
 * <p>The ids are the same however the text is divided, also within a character. A word gives its ids when its end has
 * been seen; until then it is pending, together with an unfinished UTF-8 sequence or surrogate pair. Nothing is copied
 * but that: the input array is borrowed until it has been drained. A word of more characters than the tokenizer's
 * longest is one unknown token and is not stored, so no input makes a stream grow, and none takes more than linear
 * time.
 *
 * <p>Malformed UTF-8 and lone surrogates stand for U+FFFD, which BERT removes; they are counted. A byte order mark and
 * NUL are removed as well.
 *
 * <p>Nothing is allocated after the first use of each page of Unicode. One thread at a time.
 */
public final class WordPieceStream {
    private static final int STATE_VERSION = 0x524D5401;

    private final PieceTrie trie;
    private final WordPieceOptions options;
    private final int unkId;
    private final WordReader reader;

    /** Ids of the last word that have not been drained: ready[readyPosition ... readyEnd - 1]. */
    private final int[] ready;

    private int readyPosition;
    private int readyEnd;
    /** Whether the unfinished word ends with the input. */
    private boolean ending;

    private long unknownTokens;

    WordPieceStream(CharacterMap characters, PieceTrie trie, WordPieceOptions options, int unkId) {
        this.trie = trie;
        this.options = options;
        this.unkId = unkId;
        this.reader = new WordReader(characters, options.maxWordChars());
        this.ready = new int[options.maxWordChars()];
    }

    /**
     * Gives bytes of UTF-8. They must not change until they have been drained.
     *
     * @throws IllegalStateException if earlier input has not been drained
     */
    public void feedBytes(byte[] bytes, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, bytes.length);
        checkDrained();
        reader.setBytes(bytes, offset, length);
    }

    /**
     * Gives the chars {@code start ... end - 1} of a text. They must not change until they have been drained. They end
     * an unfinished UTF-8 sequence of earlier bytes.
     *
     * @throws IllegalStateException if earlier input has not been drained
     */
    public void feedChars(CharSequence text, int start, int end) {
        Objects.checkFromToIndex(start, end, text.length());
        checkDrained();
        reader.setChars(text, start, end);
    }

    /**
     * Writes up to {@code length} ids to {@code ids[offset ...]}.
     *
     * @return how many; fewer than {@code length} means that all input has been drained
     */
    public int drain(int[] ids, int offset, int length) {
        Objects.checkFromIndexSize(offset, length, ids.length);
        int count = 0;
        while (count < length) {
            if (readyPosition < readyEnd) {
                int n = Math.min(readyEnd - readyPosition, length - count);
                for (int i = 0; i < n; i++) {
                    ids[offset + count + i] = ready[readyPosition + i];
                }
                readyPosition += n;
                count += n;
            } else if (reader.next()) {
                cutWord();
            } else if (ending) {
                ending = false;
                if (reader.finish()) {
                    cutWord();
                }
            } else {
                break;
            }
        }
        return count;
    }

    /** Ends the unfinished word and sequence behind the input, as white space between two texts does. */
    public void boundary() {
        ending = true;
    }

    /** Ends the text: the same as {@link #boundary}. When it has been drained, the stream can be fed another text. */
    public void finish() {
        boundary();
    }

    /** Forgets everything: input, ids, what is unfinished, counts. */
    public void reset() {
        reader.reset();
        readyPosition = 0;
        readyEnd = 0;
        ending = false;
        unknownTokens = 0;
    }

    /**
     * Bytes of input (chars: of their UTF-8) that belong to an unfinished word or character; at most 2^31 - 1 is said.
     */
    public int pendingBytes() {
        return (int) Math.min(reader.pendingBytes(), Integer.MAX_VALUE);
    }

    /** Unknown tokens so far. */
    public long unknownTokens() {
        return unknownTokens;
    }

    /** Bytes of malformed UTF-8 so far, and lone surrogates. */
    public long replacedBytes() {
        return reader.replaced();
    }

    /**
     * What is unfinished, and the counts: a stream of an equal tokenizer can go on from them. Streams that have read
     * the same text have equal states, however it was divided.
     *
     * @throws IllegalStateException if input has not been drained
     */
    public byte[] saveState() {
        checkDrained();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        try {
            out.writeInt(STATE_VERSION);
            out.writeByte(optionBits());
            out.writeShort(options.maxWordChars());
            out.writeLong(unknownTokens);
            reader.save(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // not from memory
        }
        return bytes.toByteArray();
    }

    /**
     * Goes on from a saved state; what this stream had read is forgotten.
     *
     * @throws InputException if the state is damaged or of a tokenizer with other options; the stream is then as new
     */
    public void restoreState(byte[] state) {
        reset();
        boolean restored = false;
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(state))) {
            if (in.readInt() != STATE_VERSION) {
                throw new InputException(
                        "These bytes are not the saved state of a text, or of another version of rmt.");
            }
            int bits = in.readUnsignedByte();
            int maxWordChars = in.readUnsignedShort();
            if (bits != optionBits() || maxWordChars != options.maxWordChars()) {
                throw new InputException("The saved state of a text is of a tokenizer with other options than "
                        + options + "; restore it with the model it was saved with.");
            }
            unknownTokens = in.readLong();
            reader.restore(in);
            if (unknownTokens < 0 || in.available() > 0) {
                throw new InputException("The saved state of a text is damaged; start reading that text again.");
            }
            restored = true;
        } catch (EOFException e) {
            throw new InputException(
                    "The saved state of a text ends after " + state.length + " bytes; it is cut off.", e);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // not from memory
        } finally {
            if (!restored) {
                reset();
            }
        }
    }

    private int optionBits() {
        return (options.lowerCase() ? 1 : 0) | (options.stripsAccents() ? 2 : 0) | (options.chineseChars() ? 4 : 0);
    }

    private void cutWord() {
        int count = reader.overlong() ? -1 : trie.cut(reader.word(), reader.length(), ready);
        if (count < 0) {
            ready[0] = unkId;
            count = 1;
            unknownTokens++;
        }
        readyPosition = 0;
        readyEnd = count;
    }

    private void checkDrained() {
        if (readyPosition < readyEnd || reader.hasInput() || ending) {
            throw new IllegalStateException(
                    "The last input has not been drained; call drain until it returns fewer ids than" + " asked for.");
        }
    }
}
