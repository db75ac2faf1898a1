package dev.rmt.checkpoint;

/** Element types of safetensors files. All of them can be listed; F32, F16, BF16 and F64 can be read as floats. */
public enum DType {
    BOOL(1),
    U8(1),
    I8(1),
    F8_E4M3(1),
    F8_E5M2(1),
    U16(2),
    I16(2),
    F16(2),
    BF16(2),
    U32(4),
    I32(4),
    F32(4),
    U64(8),
    I64(8),
    F64(8);

    private final int bytes;

    DType(int bytes) {
        this.bytes = bytes;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** Whether {@link Safetensors#read} turns it into floats. */
    public boolean readsAsFloat() {
        return this == F32 || this == F16 || this == BF16 || this == F64;
    }

    /** The type of that name in a file, or null. */
    static DType ofName(String name) {
        for (DType type : values()) {
            if (type.name().equals(name)) {
                return type;
            }
        }
        return null;
    }
}
