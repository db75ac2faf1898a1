package dev.rmt.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Times of several ways to do the same work, taken in turns so that a disturbance hits all of them: in each round every way
 * runs back to back for a window, in the order of the list or, every other round, the reverse.
 */
public final class Rounds {
    /** Threads of one library that still spin when its work is done must not slow the next one. */
    private static final long PAUSE_MILLIS = 60;

    private final double[][] milliseconds;

    private Rounds(double[][] milliseconds) {
        this.milliseconds = milliseconds;
    }

    /** How the times of another compare with ours, round by round. Above 1: we are faster. */
    public record Ratio(double median, double smallest, double largest) {}

    /**
     * Ways to do the same work.
     *
     * @param afterRound runs after each round of them, untimed
     */
    public record Contest(List<Runnable> ways, Runnable afterRound) {}

    /**
     * Times of each contest. A round goes through all of them, so that each is spread over the whole time.
     *
     * @param windowSeconds of one way in one round
     */
    public static List<Rounds> of(List<Contest> contests, int rounds, double windowSeconds) {
        List<Rounds> times = new ArrayList<>();
        for (Contest contest : contests) {
            times.add(new Rounds(new double[contest.ways().size()][rounds]));
            contest.ways().forEach(way -> window(way, windowSeconds));
        }
        for (int round = 0; round < rounds; round++) {
            for (int c = 0; c < contests.size(); c++) {
                List<Runnable> ways = contests.get(c).ways();
                for (int i = 0; i < ways.size(); i++) {
                    int turn = round % 2 == 0 ? i : ways.size() - 1 - i;
                    times.get(c).milliseconds[turn][round] = window(ways.get(turn), windowSeconds);
                }
                contests.get(c).afterRound().run();
            }
        }
        return times;
    }

    static Rounds ofTimes(double[]... milliseconds) {
        return new Rounds(milliseconds);
    }

    /** Milliseconds of one run, from as many as fit into the window after one that is not counted. */
    private static double window(Runnable way, double seconds) {
        try {
            Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("The comparison was interrupted.", e);
        }
        way.run();
        long begin = System.nanoTime();
        long elapsed;
        int count = 0;
        do {
            way.run();
            count++;
            elapsed = System.nanoTime() - begin;
        } while (elapsed < seconds * 1e9);
        return elapsed / 1e6 / count;
    }

    /** Median over the rounds. */
    public double milliseconds(int way) {
        return median(milliseconds[way]);
    }

    public Ratio ratio(int peer, int ours) {
        double[] ratios = new double[milliseconds[ours].length];
        Arrays.setAll(ratios, round -> milliseconds[peer][round] / milliseconds[ours][round]);
        Arrays.sort(ratios);
        return new Ratio(median(ratios), ratios[0], ratios[ratios.length - 1]);
    }

    /** The middle value, or the mean of the two in the middle. */
    public static double median(double... values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int half = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }
}
