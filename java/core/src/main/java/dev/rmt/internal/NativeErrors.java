package dev.rmt.internal;

import dev.rmt.DeviceException;
import dev.rmt.MemoryBudgetException;
import dev.rmt.RmtException;
import java.nio.charset.StandardCharsets;

/** Status codes of rmt.h as exceptions. */
final class NativeErrors {
    /** Bytes of the buffer that a native call writes its error text into. */
    static final int TEXT_SIZE = 512;

    private NativeErrors() {}

    static void check(int status, byte[] text) {
        if (status != Rmt.OK) {
            throw exception(status, text);
        }
    }

    static RuntimeException exception(int status, byte[] text) {
        String message = sentence(string(text));
        return switch (status) {
            case Rmt.INVALID_ARGUMENT -> new IllegalArgumentException(message);
            case Rmt.FAILED_PRECONDITION -> new IllegalStateException(message);
            case Rmt.OUT_OF_MEMORY -> new MemoryBudgetException(message);
            case Rmt.DEVICE -> new DeviceException(message);
            default -> new RmtException("The native library failed (status " + status + "): " + message);
        };
    }

    /** Native texts name things as C does and end without a full stop; ours end with one. */
    static String sentence(String text) {
        return text.endsWith(".") ? text : text + ".";
    }

    /** The text before the first NUL. */
    static String string(byte[] text) {
        int end = 0;
        while (end < text.length && text[end] != 0) {
            end++;
        }
        return new String(text, 0, end, StandardCharsets.UTF_8);
    }

    /** A NUL-terminated copy; null: null. */
    static byte[] bytes(String text) {
        if (text == null) {
            return null;
        }
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return java.util.Arrays.copyOf(utf8, utf8.length + 1);
    }
}
