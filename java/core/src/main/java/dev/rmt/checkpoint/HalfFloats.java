package dev.rmt.checkpoint;

/** 16-bit floating point to float; exact, since every such value is a float. (JDK 17 has no conversion of its own.) */
final class HalfFloats {
    private static final float TWO_POW_MINUS_24 = 0x1p-24f;

    private HalfFloats() {}

    /** IEEE binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
    static float fromF16(short bits) {
        int sign = (bits & 0x8000) << 16;
        int exponent = (bits >> 10) & 0x1f;
        int fraction = bits & 0x3ff;
        if (exponent == 0) {
            float magnitude = fraction * TWO_POW_MINUS_24;
            return sign == 0 ? magnitude : -magnitude;
        }
        int wideExponent = exponent == 0x1f ? 0xff : exponent - 15 + 127;
        return Float.intBitsToFloat(sign | wideExponent << 23 | fraction << 13);
    }

    /** bfloat16: the upper half of a float. */
    static float fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }
}
