package dev.rmt.cli;

import dev.rmt.flops.PaperFlops;
import java.nio.file.Path;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Option values that are more than a Java type; each refuses with what was given and what would do. */
final class Converters {
    private Converters() {}

    /** A whole number from 1 on. */
    static final class Positive implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String value) {
            return within(value, 1, Integer.MAX_VALUE);
        }
    }

    /** Documents side by side: as many as the native library takes. */
    static final class BatchSize implements ITypeConverter<Integer> {
        private static final int MOST = 1 << 20;

        @Override
        public Integer convert(String value) {
            return within(value, 1, MOST);
        }
    }

    /** Threads: as many as the native library takes. */
    static final class Threads implements ITypeConverter<Integer> {
        private static final int MOST = 1 << 10;

        @Override
        public Integer convert(String value) {
            return within(value, 1, MOST);
        }
    }

    /** A whole number from 0 on. */
    static final class NotNegative implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String value) {
            return within(value, 0, Integer.MAX_VALUE);
        }
    }

    /** The length of a text in tokens. */
    static final class Tokens implements ITypeConverter<Long> {
        @Override
        public Long convert(String value) {
            return within(value, 1, PaperFlops.MOST_TOKENS);
        }
    }

    /** A 64-bit seed; any number will do. */
    static final class Seed implements ITypeConverter<Long> {
        @Override
        public Long convert(String value) {
            try {
                return Long.valueOf(value.trim());
            } catch (NumberFormatException e) {
                throw new TypeConversionException("'" + value + "' is not a whole number of 64 bits.");
            }
        }
    }

    /** {@code auto}, {@code cpu}, {@code cuda} or {@code cuda:INDEX}. */
    static final class DeviceSpec implements ITypeConverter<String> {
        @Override
        public String convert(String value) {
            if (!value.matches("auto|cpu|cuda(:[0-9]{1,4})?")) {
                throw new TypeConversionException("'" + value + "' is not one of auto, cpu, cuda, cuda:0, cuda:1 ...");
            }
            return value;
        }
    }

    /** A file for a picture: PNG or SVG by its ending. */
    static final class PictureFile implements ITypeConverter<Path> {
        @Override
        public Path convert(String value) {
            Picture.refusal(value).ifPresent(reason -> {
                throw new TypeConversionException(reason);
            });
            return Path.of(value);
        }
    }

    /** {@code 7} or {@code 0-29}: first and last. */
    static final class Range implements ITypeConverter<int[]> {
        @Override
        public int[] convert(String value) {
            if (!value.trim().matches("[0-9]{1,6}(-[0-9]{1,6})?")) {
                throw new TypeConversionException("'" + value + "' is not a range such as 0-29, nor a number.");
            }
            String[] ends = value.trim().split("-");
            int first = Integer.parseInt(ends[0]);
            int last = Integer.parseInt(ends[ends.length - 1]);
            if (last < first) {
                throw new TypeConversionException("'" + value + "' ends before it begins.");
            }
            return new int[] {first, last};
        }
    }

    private static int within(String value, int least, int most) {
        return (int) within(value, (long) least, most);
    }

    private static long within(String value, long least, long most) {
        String wanted = "' is not a whole number from " + least + " to " + most + ".";
        try {
            long number = Long.parseLong(value.trim());
            if (number < least || number > most) {
                throw new TypeConversionException("'" + value + wanted);
            }
            return number;
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'" + value + wanted);
        }
    }
}
