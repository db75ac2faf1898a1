package dev.rmt.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Locale;
import org.junit.jupiter.api.Test;

class TextTest {
    @Test
    void bytesTakeTheLargestUnitThatLeavesAtLeastOne() {
        assertThat(Text.bytes(0)).isEqualTo("0 B");
        assertThat(Text.bytes(1023)).isEqualTo("1023 B");
        assertThat(Text.bytes(1024)).isEqualTo("1.00 KiB");
        assertThat(Text.bytes(88_500_000)).isEqualTo("84.4 MiB");
        assertThat(Text.bytes(Long.MAX_VALUE)).isEqualTo("8.00 EiB");
    }

    @Test
    void bytesThatAreNotKnownAreADash() {
        assertThat(Text.bytes(-1)).isEqualTo("-");
    }

    @Test
    void numbersLoseDecimalsAsTheyGrow() {
        assertThat(Text.number(3.268)).isEqualTo("3.27");
        assertThat(Text.number(41.52)).isEqualTo("41.5");
        assertThat(Text.number(123456.7)).isEqualTo("123,457");
        assertThat(Text.number(Double.NaN)).isEqualTo("-");
    }

    @Test
    void durationsAreSaidInTheUnitsPeopleUse() {
        assertThat(Text.seconds(0.44)).isEqualTo("0.4 s");
        assertThat(Text.seconds(75)).isEqualTo("1 min 15 s");
        assertThat(Text.seconds(3900)).isEqualTo("1 h 05 min");
    }

    @Test
    void numbersDoNotDependOnTheLocale() {
        Locale before = Locale.getDefault();
        try {
            Locale.setDefault(Locale.forLanguageTag("ar-EG"));
            assertThat(Text.count(2_043_904)).isEqualTo("2,043,904");
            assertThat(Text.percent(0.174)).isEqualTo("17.4 %");
            assertThat(Text.number(1.5)).isEqualTo("1.50");
        } finally {
            Locale.setDefault(before);
        }
    }
}
