package dev.rmt.flops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PaperFlopsTest {
    private static PaperFlops of(String model, long tokens) {
        return PaperFlops.of(TransformerSize.known().get(model), tokens);
    }

    @Test
    void theLargestFactorsOfThePaperComeOutToFourDigits() {
        assertThat(of("opt-125m", 2_048_000).reduction()).isEqualTo(295.07, within(0.005));
        assertThat(of("opt-175b", 2_048_000).reduction()).isEqualTo(29.015, within(0.0005));
    }

    /** Figure 3, at every number of segments that it shows. */
    @ParameterizedTest(name = "{0} segments")
    @CsvSource({
        "1, 1.000, 1.000, 1.000, 1.000, 1.000",
        "2, 1.074, 1.038, 1.020, 1.012, 1.007",
        "4, 1.221, 1.115, 1.061, 1.036, 1.021",
        "8, 1.515, 1.269, 1.141, 1.083, 1.049",
        "16, 2.103, 1.575, 1.303, 1.178, 1.105",
        "32, 3.280, 2.189, 1.625, 1.367, 1.217",
        "64, 5.633, 3.417, 2.271, 1.746, 1.441",
        "125, 10.118, 5.757, 3.501, 2.469, 1.869",
        "250, 19.310, 10.553, 6.022, 3.950, 2.744",
        "500, 37.694, 20.143, 11.063, 6.913, 4.496",
        "1000, 74.461, 39.325, 21.147, 12.837, 7.999",
        "2000, 147.996, 77.689, 41.314, 24.687, 15.004"
    })
    void theCurvesOfFigure3ComeOut(
            int segments, double opt125m, double opt1b3, double opt6b7, double opt30b, double opt175b) {
        long tokens = segments * 512L;
        assertThat(of("opt-125m", tokens).reduction()).isEqualTo(opt125m, within(0.0005));
        assertThat(of("opt-1.3b", tokens).reduction()).isEqualTo(opt1b3, within(0.0005));
        assertThat(of("opt-6.7b", tokens).reduction()).isEqualTo(opt6b7, within(0.0005));
        assertThat(of("opt-30b", tokens).reduction()).isEqualTo(opt30b, within(0.0005));
        assertThat(of("opt-175b", tokens).reduction()).isEqualTo(opt175b, within(0.0005));
    }

    /** A segment, RMT and full attention at 2,048,000 tokens, and the factor between them. */
    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "opt-125m, 1.365e11, 5.462e14, 1.612e17, 295.07",
        "opt-350m, 3.887e11, 1.555e15, 4.299e17, 276.5",
        "opt-1.3b, 1.396e12, 5.584e15, 8.622e17, 154.42",
        "opt-2.7b, 2.797e12, 1.119e16, 1.428e18, 127.6",
        "opt-6.7b, 6.948e12, 2.779e16, 2.269e18, 81.65",
        "opt-13b, 1.337e13, 5.347e16, 3.556e18, 66.5",
        "opt-30b, 3.104e13, 1.242e17, 6.008e18, 48.39",
        "opt-66b, 6.790e13, 2.716e17, 1.036e19, 38.1",
        "opt-175b, 1.800e14, 7.201e17, 2.089e19, 29.015"
    })
    void theOperationsOfEachSizeComeOutToFourDigits(
            String model, double segment, double rmt, double full, double reduction) {
        PaperFlops flops = of(model, 2_048_000);
        assertThat(of(model, 512).rmt()).isEqualTo(segment, within(segment * 4e-4));
        assertThat(of(model, 512).fullAttention()).isEqualTo(of(model, 512).rmt());
        assertThat(flops.rmt()).isEqualTo(rmt, within(rmt * 4e-4));
        assertThat(flops.fullAttention()).isEqualTo(full, within(full * 4e-4));
        assertThat(flops.reduction()).isEqualTo(reduction, within(0.05));
    }

    @Test
    void rmtGrowsWithTheTextAndFullAttentionWithItsSquare() {
        PaperFlops longest = of("opt-175b", PaperFlops.MOST_TOKENS);
        PaperFlops tenth = of("opt-175b", PaperFlops.MOST_TOKENS / 10);
        assertThat(longest.rmt() / tenth.rmt()).isEqualTo(10, within(1e-9));
        assertThat(longest.fullAttention() / tenth.fullAttention()).isEqualTo(100, within(1e-3));
    }

    @Test
    void lengthsThatCannotBeAreRefused() {
        assertThatThrownBy(() -> of("gpt2", 0)).hasMessageContaining("A text of 0 tokens");
        assertThatThrownBy(() -> of("gpt2", PaperFlops.MOST_TOKENS + 1)).hasMessageContaining("1000000000000001");
    }
}
