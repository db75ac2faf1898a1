package dev.rmt.text;

import dev.rmt.InputException;
import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/**
 * Cuts UTF-8 bytes or chars, given in pieces of any size, into normalised words. It keeps no more than one word: what
 * is longer than the longest word allowed is only marked as overlong.
 *
 * <p>Marks are put in canonical order within the word at hand. A word of more than the longest allowed is not stored,
 * so a run of any number of marks costs at most that many steps for each of them.
 *
 * <p>The input is borrowed: it must not change until {@link #next} has said that there is no further word in it.
 */
final class WordReader {
    private static final int ENCODED_BYTES = 2048;
    private static final int MAX_UTF8_BYTES = 4;

    private final CharacterMap map;
    private final int[] first256;

    // Input: bytes, or chars that are encoded into `bytes` by and by.
    private byte[] bytes = {};
    private int position;
    private int end;
    private CharSequence chars = "";
    private int charPosition;
    private int charEnd;
    private byte[] encoded;
    /** Bytes of input before bytes[0]. */
    private long base;

    // An unfinished character: `seen` bytes of it give the bits in `partial`, `needed` more are missing; or half a
    // pair.
    private int partial;
    private int seen;
    private int needed;
    private char highSurrogate;
    /** Bytes of the character that was decoded last. */
    private int utf8Length;

    // The word: code points after normalisation.
    private final int[] word;
    private int length;
    private boolean overlong;
    private boolean complete;
    /** Marks are not moved to before this place of the word. */
    private int barrier;
    /** Bytes of input before the first character of the word. */
    private long wordStart;

    // Actions of a character that has several, which are still to be taken.
    private int[] sequence;
    private int sequencePosition;
    private final int[] single = new int[1];

    private long replaced;

    /** @param maxLength code points of the longest word that is stored */
    WordReader(CharacterMap map, int maxLength) {
        this.map = map;
        this.first256 = map.firstActions();
        this.word = new int[maxLength];
    }

    /** Takes bytes as the next input; all earlier input must have been read. */
    void setBytes(byte[] input, int offset, int count) {
        if (count > 0 && highSurrogate != 0) {
            highSurrogate = 0;
            replaced++;
        }
        setInput(input, offset, offset + count);
    }

    /** Takes chars start ... end - 1 as the next input; all earlier input must have been read. */
    void setChars(CharSequence input, int start, int end) {
        if (end > start) {
            dropPartial();
        }
        chars = input;
        charPosition = start;
        charEnd = end;
        setInput(bytes, this.end, this.end);
    }

    private void setInput(byte[] input, int from, int to) {
        base += position - from;
        bytes = input;
        position = from;
        end = to;
    }

    /** Whether {@link #next} has not yet come to the end of the input. */
    boolean hasInput() {
        return position < end || charPosition < charEnd || sequence != null;
    }

    /**
     * Goes on to the end of the next word.
     *
     * @return false if the input ends first: the unfinished word waits for more
     */
    boolean next() {
        if (complete) {
            clearWord();
        }
        while (true) {
            if (sequence != null && takeSequence()) {
                return true;
            }
            if (needed == 0 && readAscii()) {
                return true;
            }
            if (position == end) {
                if (charPosition == charEnd) {
                    return false;
                }
                encodeChars();
                continue;
            }
            int codePoint = decode(bytes[position] & 0xFF);
            if (codePoint >= 0) {
                int action = map.action(codePoint);
                if (action < 0 || action > CharacterMap.CODE_POINT_MASK) {
                    startSequence(codePoint, action);
                } else {
                    append(action);
                }
            }
        }
    }

    /** Ends the unfinished word, as white space would. Returns whether there is one. All input must have been read. */
    boolean finish() {
        dropPartial();
        if (highSurrogate != 0) {
            highSurrogate = 0;
            replaced++;
        }
        if (complete) {
            clearWord();
        }
        complete = length > 0;
        return complete;
    }

    /** The word that {@link #next} has found: code points, {@link #length} of them. Meaningless if it is overlong. */
    int[] word() {
        return word;
    }

    int length() {
        return length;
    }

    boolean overlong() {
        return overlong;
    }

    /** Malformed bytes and lone surrogates met so far. */
    long replaced() {
        return replaced;
    }

    /** Bytes of input that belong to the unfinished word or character. */
    long pendingBytes() {
        long half = highSurrogate != 0 ? 1 : 0;
        return (length > 0 && !complete ? base + position - wordStart : seen) + half;
    }

    /** Reads ASCII up to the end of a word (true), or to a byte that is not ASCII or the end of the input (false). */
    private boolean readAscii() {
        byte[] in = bytes;
        int at = position;
        int limit = end;
        int n = length;
        boolean found = false;
        int b;
        while (at < limit && (b = in[at]) >= 0) {
            int action = first256[b];
            at++;
            if (action <= CharacterMap.CODE_POINT_MASK) {
                if (n == 0) {
                    wordStart = base + at - 1;
                }
                if (n < word.length) {
                    word[n++] = action;
                } else {
                    overlong = true;
                }
            } else if (action != CharacterMap.REMOVED && (n > 0 || action != CharacterMap.SPACE)) {
                if (n == 0) {
                    word[n++] = action & CharacterMap.CODE_POINT_MASK;
                } else if (action != CharacterMap.SPACE) {
                    at--; // punctuation after a word: it is met again as the next word
                }
                found = true;
                break;
            }
        }
        position = at;
        length = n;
        complete = found;
        return found;
    }

    private void startSequence(int codePoint, int action) {
        if ((action & CharacterMap.KIND_MASK) == CharacterMap.SEVERAL) {
            sequence = map.several(codePoint);
        } else {
            single[0] = action;
            sequence = single;
        }
        sequencePosition = 0;
    }

    /** Takes the actions of one character; true as soon as a word is complete. */
    private boolean takeSequence() {
        while (sequencePosition < sequence.length) {
            int action = sequence[sequencePosition];
            int codePoint = action & CharacterMap.CODE_POINT_MASK;
            switch (action & CharacterMap.KIND_MASK) {
                case CharacterMap.LETTER -> append(codePoint);
                case CharacterMap.SPACE -> complete = length > 0;
                case CharacterMap.MARK -> insertMark(codePoint, action >>> CharacterMap.CLASS_SHIFT);
                case CharacterMap.BARRIER -> barrier = length;
                case CharacterMap.ALONE -> {
                    complete = true;
                    if (length > 0) {
                        return true; // not taken yet: it is the next word
                    }
                    append(codePoint);
                }
                default -> {} // REMOVED
            }
            sequencePosition++;
            if (complete) {
                break;
            }
        }
        if (sequencePosition == sequence.length) {
            sequence = null;
        }
        return complete;
    }

    private void append(int codePoint) {
        if (length == 0) {
            wordStart = base + position - utf8Length;
        }
        if (length < word.length) {
            word[length++] = codePoint;
        } else {
            overlong = true;
        }
    }

    /** Puts a mark in front of those of higher class that stand at the end of the word: canonical order. */
    private void insertMark(int codePoint, int combiningClass) {
        append(codePoint);
        if (overlong) {
            return;
        }
        int at = length - 1;
        while (at > barrier && map.action(word[at - 1]) >>> CharacterMap.CLASS_SHIFT > combiningClass) {
            word[at] = word[at - 1];
            at--;
        }
        word[at] = codePoint;
    }

    private void clearWord() {
        length = 0;
        barrier = 0;
        overlong = false;
        complete = false;
    }

    /**
     * Takes the byte at the position and returns the code point that it completes, or -1. A byte that cannot go on
     * with the unfinished sequence is not taken: it ends it as malformed, and is met again as a first byte.
     */
    private int decode(int b) {
        if (needed == 0) {
            position++;
            if (b < 0x80) {
                utf8Length = 1;
                return b;
            }
            if (b < 0xC2 || b > 0xF4) {
                replaced++;
                return -1;
            }
            needed = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
            partial = b & (0x3F >> needed);
            seen = 1;
            return -1;
        }
        if (!continues(b)) {
            dropPartial();
            return -1;
        }
        position++;
        partial = partial << 6 | (b & 0x3F);
        seen++;
        if (--needed > 0) {
            return -1;
        }
        utf8Length = seen;
        seen = 0;
        int codePoint = partial;
        partial = 0;
        return codePoint;
    }

    /** Whether a byte goes on with the sequence: not overlong, no surrogate, nothing above U+10FFFF. */
    private boolean continues(int b) {
        if ((b & 0xC0) != 0x80) {
            return false;
        }
        if (seen > 1 || needed == 1) {
            return true;
        }
        if (needed == 2) {
            return partial == 0 ? b >= 0xA0 : partial != 0xD || b < 0xA0;
        }
        return partial == 0 ? b >= 0x90 : partial != 4 || b < 0x90;
    }

    private void dropPartial() {
        replaced += seen;
        partial = 0;
        seen = 0;
        needed = 0;
    }

    /**
     * Encodes the next chars as UTF-8. Lone surrogates are left out: U+FFFD in their place would be removed as well.
     */
    private void encodeChars() {
        if (encoded == null) {
            encoded = new byte[ENCODED_BYTES];
        }
        byte[] out = encoded;
        int n = 0;
        while (charPosition < charEnd && n <= out.length - MAX_UTF8_BYTES) {
            char c = chars.charAt(charPosition++);
            if (highSurrogate != 0) {
                char high = highSurrogate;
                highSurrogate = 0;
                if (Character.isLowSurrogate(c)) {
                    int codePoint = Character.toCodePoint(high, c);
                    out[n++] = (byte) (0xF0 | codePoint >> 18);
                    out[n++] = (byte) (0x80 | (codePoint >> 12 & 0x3F));
                    out[n++] = (byte) (0x80 | (codePoint >> 6 & 0x3F));
                    out[n++] = (byte) (0x80 | (codePoint & 0x3F));
                    continue;
                }
                replaced++;
            }
            if (c < 0x80) {
                out[n++] = (byte) c;
            } else if (c < 0x800) {
                out[n++] = (byte) (0xC0 | c >> 6);
                out[n++] = (byte) (0x80 | (c & 0x3F));
            } else if (Character.isHighSurrogate(c)) {
                highSurrogate = c;
            } else if (Character.isLowSurrogate(c)) {
                replaced++;
            } else {
                out[n++] = (byte) (0xE0 | c >> 12);
                out[n++] = (byte) (0x80 | (c >> 6 & 0x3F));
                out[n++] = (byte) (0x80 | (c & 0x3F));
            }
        }
        setInput(out, 0, n);
    }

    /** Forgets all input, what is unfinished, and the count. */
    void reset() {
        clearWord();
        dropPartial();
        replaced = 0;
        highSurrogate = 0;
        sequence = null;
        chars = "";
        charPosition = 0;
        charEnd = 0;
        position = end;
    }

    /** Writes what is unfinished, and the count of what was replaced. All input must have been read. */
    void save(DataOutput out) throws IOException {
        if (complete) {
            clearWord();
        }
        out.writeLong(replaced);
        out.writeLong(pendingBytes());
        out.writeChar(highSurrogate);
        out.writeByte(seen);
        for (int i = 0; i < seen; i++) {
            int bits = partial >> (6 * (seen - 1 - i));
            // The first byte announces its length with as many ones at the top.
            out.writeByte(i == 0 ? ((0xF00 >> (seen + needed)) & 0xFF) | bits : 0x80 | (bits & 0x3F));
        }
        out.writeByte(overlong ? 1 : 0);
        out.writeShort(overlong ? 0 : barrier);
        out.writeShort(overlong ? 0 : length);
        for (int i = 0; i < (overlong ? 0 : length); i++) {
            out.writeInt(word[i]);
        }
    }

    /**
     * Restores what {@link #save} wrote; whatever was unfinished before is forgotten.
     *
     * @throws InputException if it is not what save writes
     */
    void restore(DataInput in) throws IOException {
        reset();
        long replacedThen = in.readLong();
        long pending = in.readLong();
        highSurrogate = in.readChar();
        int count = in.readUnsignedByte();
        check(replacedThen >= 0 && pending >= 0 && count < MAX_UTF8_BYTES);
        check(highSurrogate == 0 || (Character.isHighSurrogate(highSurrogate) && count == 0));
        for (int i = 0; i < count; i++) {
            check(decode(in.readUnsignedByte()) < 0 && replaced == 0);
        }
        check(seen == count);
        position = end; // decode has moved it
        int overlongByte = in.readUnsignedByte();
        overlong = overlongByte == 1;
        barrier = in.readUnsignedShort();
        int n = in.readUnsignedShort();
        check(overlongByte <= 1 && barrier <= n && n <= word.length && !(overlong && n > 0));
        for (int i = 0; i < n; i++) {
            word[i] = in.readInt();
            check(word[i] >= 0 && word[i] <= Character.MAX_CODE_POINT);
        }
        length = overlong ? word.length : n;
        replaced = replacedThen;
        long unfinished = seen + (highSurrogate != 0 ? 1L : 0L);
        check(length > 0 ? pending > unfinished : pending == unfinished);
        base = -(long) position;
        wordStart = (highSurrogate != 0 ? 1 : 0) - pending;
    }

    private static void check(boolean valid) {
        if (!valid) {
            throw new InputException("The saved state of a text is damaged; start reading that text again.");
        }
    }
}
