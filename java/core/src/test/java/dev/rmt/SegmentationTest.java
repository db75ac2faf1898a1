package dev.rmt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SegmentationTest {
    @Test
    void leftLeavesTheShortSegmentAtTheEnd() {
        assertThat(Segmentation.lengths(1098, 499, SegmentAlignment.LEFT)).containsExactly(499, 499, 100);
    }

    @Test
    void rightLeavesTheShortSegmentAtTheStart() {
        assertThat(Segmentation.lengths(1098, 499, SegmentAlignment.RIGHT)).containsExactly(100, 499, 499);
    }

    @Test
    void centerMakesChunksOfEqualLengthButTheLast() {
        assertThat(Segmentation.lengths(1504, 499, SegmentAlignment.CENTER)).containsExactly(376, 376, 376, 376);
        assertThat(Segmentation.lengths(1000, 499, SegmentAlignment.CENTER)).containsExactly(334, 334, 332);
    }

    @ParameterizedTest
    @EnumSource(SegmentAlignment.class)
    void noSegmentIsEmptyOrTooLongAndTogetherTheyAreTheText(SegmentAlignment alignment) {
        for (int size = 1; size <= 12; size++) {
            for (int tokens = 0; tokens <= 100; tokens++) {
                int[] lengths = Segmentation.lengths(tokens, size, alignment);
                assertThat(lengths).hasSize((tokens + size - 1) / size);
                assertThat(IntStream.of(lengths).sum()).isEqualTo(tokens);
                for (int length : lengths) {
                    assertThat(length).isBetween(1, size);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(SegmentAlignment.class)
    void aTextThatFillsItsSegmentsIsCutAlikeByEveryAlignment(SegmentAlignment alignment) {
        assertThat(Segmentation.lengths(4 * 499, 499, alignment)).containsExactly(499, 499, 499, 499);
    }

    @Test
    void aTextOfTrillionsOfTokensCostsNothing() {
        Segmentation segmentation = new Segmentation(5_000_000_000_001L, 499, SegmentAlignment.RIGHT);
        assertThat(segmentation.count()).isEqualTo(10_020_040_081L);
        assertThat(segmentation.length(0)).isEqualTo(81);
        assertThat(segmentation.length(segmentation.count() - 1)).isEqualTo(499);
    }

    @Test
    void wrongSizesAndIndicesAreRefused() {
        assertThatThrownBy(() -> new Segmentation(-1, 499, SegmentAlignment.LEFT))
                .hasMessageContaining("-1 tokens");
        assertThatThrownBy(() -> new Segmentation(1, 0, SegmentAlignment.LEFT))
                .hasMessageContaining("segment size is 0");
        assertThatThrownBy(() -> new Segmentation(10, 5, SegmentAlignment.LEFT).length(2))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }
}
