package dev.rmt.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Malformed UTF-8 is replaced where java.nio's decoder replaces it, and its bytes are counted. */
class Utf8DecodingTest {
    private final WordPieceTokenizer tokenizer = TextFixtures.smallTokenizer();

    @ParameterizedTest
    @ValueSource(
            strings = {
                "61 FF 62", // no UTF-8 at all
                "61 80 62", // a continuation without a start
                "61 C3 62", // a start without its continuation
                "61 C0 80 62", // NUL, overlong
                "61 C1 BF 62", // overlong
                "61 E0 80 AF 62", // overlong
                "61 E0 9F BF 62", // overlong
                "61 F0 80 80 AF 62", // overlong
                "61 F0 8F BF BF 62", // overlong
                "61 ED A0 80 62", // a high surrogate
                "61 ED BF BF 62", // a low surrogate
                "61 ED A0 B4 ED B5 A5 62", // a pair of surrogates
                "61 F4 90 80 80 62", // above U+10FFFF
                "61 F5 80 80 80 62", // above
                "61 E6 BC 62", // cut off
                "61 F0 9D 85 62", // cut off
                "61 F0 9D E6 BC A2 62", // cut off by another character
                "61 E6 E6 E6 BC A2 62",
                "61 E6 BC", // cut off by the end
                "F0 9D 85",
                "C3",
                "EF BB BF 61", // a byte order mark: well formed
                "61 00 62",
            })
    void isThatOfJavaNio(String hex) {
        String[] parts = hex.split(" ", -1);
        byte[] bytes = new byte[parts.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(parts[i], 16);
        }
        assertEqualToJavaNio(bytes);
    }

    @Test
    void isThatOfJavaNioOnRandomBytes() {
        Random random = new Random(1);
        // Bytes that make sequences likely: starts of each length, their critical continuations, ASCII.
        int[] likely = {0x61, 0x20, 0xC2, 0xC3, 0xE0, 0xED, 0xE6, 0xF0, 0xF4, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF};
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = new byte[1 + random.nextInt(12)];
            for (int j = 0; j < bytes.length; j++) {
                bytes[j] =
                        (byte) (random.nextInt(8) == 0 ? random.nextInt(256) : likely[random.nextInt(likely.length)]);
            }
            assertEqualToJavaNio(bytes);
        }
    }

    @Test
    void everyCodePointIsDecoded() {
        WordReader reader = new WordReader(new CharacterMap(new WordPieceOptions(false, false, false)), 10);
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            if ((c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)
                    || UnicodeTables.isRemoved(c)
                    || UnicodeTables.isSpace(c)) {
                continue;
            }
            byte[] bytes = (Character.toString(c) + " ").getBytes(StandardCharsets.UTF_8);
            reader.setBytes(bytes, 0, bytes.length);
            assertThat(reader.next()).isTrue();
            if (reader.length() != 1 || reader.word()[0] != c) {
                assertThat(reader.word()[0]).isEqualTo(c);
            }
            assertThat(reader.next()).isFalse();
        }
        assertThat(reader.replaced()).isZero();
    }

    @Test
    void aReplacementCharacterInTheTextIsRemovedButNotCounted() {
        WordPieceStream stream = tokenizer.newStream();
        stream.feedChars("ga\uFFFDrden", 0, 7);
        stream.finish();
        assertThat(TextFixtures.drain(stream, 10)).isEqualTo(tokenizer.encode("garden"));
        assertThat(stream.replacedBytes()).isZero();
    }

    @Test
    void loneSurrogatesAreRemovedAndCounted() {
        WordPieceStream stream = tokenizer.newStream();
        String text = "ga\uD800rd\uDC00en\uD834";
        stream.feedChars(text, 0, text.length());
        int[] none = TextFixtures.drain(stream, 10);
        stream.finish();
        assertThat(TextFixtures.concat(none, TextFixtures.drain(stream, 10))).isEqualTo(tokenizer.encode("garden"));
        assertThat(stream.replacedBytes()).isEqualTo(3);
    }

    @Test
    void charsEndAnUnfinishedSequenceOfBytesAndBytesEndHalfAPair() {
        WordPieceStream stream = tokenizer.newStream();
        stream.feedBytes(new byte[] {'a', (byte) 0xE6, (byte) 0xBC}, 0, 3);
        TextFixtures.drain(stream, 10);
        stream.feedChars("b\uD834", 0, 2);
        TextFixtures.drain(stream, 10);
        stream.feedBytes(new byte[] {(byte) 0xA2, 'c', ' '}, 0, 3);
        assertThat(TextFixtures.drain(stream, 10)).isEqualTo(tokenizer.encode("abc"));
        assertThat(stream.replacedBytes()).isEqualTo(2 + 1 + 1);
    }

    private void assertEqualToJavaNio(byte[] bytes) {
        WordPieceStream stream = tokenizer.newStream();
        stream.feedBytes(bytes, 0, bytes.length);
        int[] ids = TextFixtures.drain(stream, 100);
        stream.finish();
        ids = TextFixtures.concat(ids, TextFixtures.drain(stream, 100));
        StringBuilder text = new StringBuilder();
        long malformed = decode(bytes, text);
        assertThat(ids).as("%s", hex(bytes)).isEqualTo(tokenizer.encode(text));
        assertThat(stream.replacedBytes()).as("%s", hex(bytes)).isEqualTo(malformed);
    }

    /** What java.nio decodes, with U+FFFD for malformed input; returns the malformed bytes. */
    private static long decode(byte[] bytes, StringBuilder text) {
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(bytes.length + 1);
        long malformed = 0;
        while (true) {
            CoderResult result = decoder.decode(in, out, true);
            out.flip();
            text.append(out);
            out.clear();
            if (result.isUnderflow()) {
                return malformed;
            }
            malformed += result.length();
            text.append('\uFFFD');
            in.position(in.position() + result.length());
        }
    }

    private static String hex(byte[] bytes) {
        StringBuilder hex = new StringBuilder();
        for (byte b : bytes) {
            hex.append(Character.forDigit(b >> 4 & 15, 16))
                    .append(Character.forDigit(b & 15, 16))
                    .append(' ');
        }
        return hex.toString();
    }
}
