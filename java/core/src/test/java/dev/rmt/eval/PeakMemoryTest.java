package dev.rmt.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class PeakMemoryTest {
    private static final int LARGE = 64 << 20;

    @Test
    void thePeakIsThatOfTheStretchAloneAndSurvivesWhatIsGivenBack() {
        long before = PeakMemory.start().bytes();
        assumeTrue(before > 0, "This system does not let a process reset its peak.");

        PeakMemory stretch = PeakMemory.start();
        touch();
        assertThat(stretch.bytes()).isGreaterThan(before + LARGE / 2);
    }

    /** Off the heap, so that it is new to the process. */
    private static void touch() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(LARGE);
        for (int i = 0; i < LARGE; i += 4096) {
            buffer.put(i, (byte) 1);
        }
    }
}
