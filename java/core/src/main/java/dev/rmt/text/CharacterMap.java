package dev.rmt.text;

import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * What BERT's normalisation makes of one code point, as one int: an action, and the code point that comes out.
 *
 * <p>The steps of normalisation are, in this order: controls are removed and white space becomes a space; ideographs
 * are surrounded with spaces; accents are stripped (canonical decomposition, then non-spacing marks are dropped);
 * lower case; words are cut at spaces and around each punctuation character. All of this depends on a single code
 * point, but for the order of combining marks, which {@link #MARK} and {@link #BARRIER} leave to the reader of words.
 *
 * <p>Tables of 256 code points are made when the first of them is met, and kept: at most 5 MB, a few kB for most texts.
 * Shared by threads.
 */
final class CharacterMap {
    /** Bits of an action: combining class (8), kind (3), code point or index (21). */
    static final int CODE_POINT_BITS = 21;

    static final int CODE_POINT_MASK = (1 << CODE_POINT_BITS) - 1;
    static final int KIND_MASK = 7 << CODE_POINT_BITS;
    static final int CLASS_SHIFT = 24;

    /** The code point goes on with the word. The only kind that is 0: such an action is the code point itself. */
    static final int LETTER = 0;
    /** Nothing is left of it. */
    static final int REMOVED = 1 << CODE_POINT_BITS;
    /** It ends a word. */
    static final int SPACE = 2 << CODE_POINT_BITS;
    /** It is a word of its own: punctuation, an ideograph. */
    static final int ALONE = 3 << CODE_POINT_BITS;
    /** It goes on with the word, but before the marks of higher combining class that stand at the end of it. */
    static final int MARK = 4 << CODE_POINT_BITS;
    /** Nothing is left of it, but no later mark may be moved to before it. */
    static final int BARRIER = 5 << CODE_POINT_BITS;
    /** Several actions, {@link #several} of the same code point. */
    static final int SEVERAL = 6 << CODE_POINT_BITS;

    private static final int PAGE_BITS = 8;
    private static final int PAGE_SIZE = 1 << PAGE_BITS;
    private static final int NUM_PAGES = (Character.MAX_CODE_POINT + 1) >> PAGE_BITS;

    /** Actions of 256 code points, and the sequences of those that have several. */
    private static final class Page {
        final int[] actions;
        final int[][] sequences;

        Page(int[] actions, int[][] sequences) {
            this.actions = actions;
            this.sequences = sequences;
        }
    }

    private final boolean lowerCase;
    private final boolean stripAccents;
    private final boolean ideographsAlone;
    private final AtomicReferenceArray<Page> pages = new AtomicReferenceArray<>(NUM_PAGES);

    CharacterMap(WordPieceOptions options) {
        this.lowerCase = options.lowerCase();
        this.stripAccents = options.stripsAccents();
        this.ideographsAlone = options.chineseChars();
    }

    /** The actions of the first 256 code points. The caller must not change them. */
    int[] firstActions() {
        return page(0).actions;
    }

    /** @param codePoint a Unicode scalar value (not a surrogate) */
    int action(int codePoint) {
        return page(codePoint >> PAGE_BITS).actions[codePoint & (PAGE_SIZE - 1)];
    }

    /** The actions of a code point of kind {@link #SEVERAL}; none of them is of that kind. */
    int[] several(int codePoint) {
        Page page = page(codePoint >> PAGE_BITS);
        return page.sequences[page.actions[codePoint & (PAGE_SIZE - 1)] & CODE_POINT_MASK];
    }

    private Page page(int number) {
        Page page = pages.get(number);
        if (page == null) {
            // Two threads may both make it; they make the same.
            page = makePage(number << PAGE_BITS);
            pages.set(number, page);
        }
        return page;
    }

    private Page makePage(int first) {
        int[] actions = new int[PAGE_SIZE];
        List<int[]> sequences = new ArrayList<>();
        for (int i = 0; i < PAGE_SIZE; i++) {
            int[] sequence = actionsOf(first + i);
            if (sequence.length == 0) {
                actions[i] = REMOVED;
            } else if (sequence.length == 1) {
                actions[i] = sequence[0];
            } else {
                actions[i] = SEVERAL | sequences.size();
                sequences.add(sequence);
            }
        }
        return new Page(actions, sequences.toArray(int[][]::new));
    }

    private int[] actionsOf(int codePoint) {
        if (UnicodeTables.isRemoved(codePoint)) {
            return new int[0];
        }
        if (UnicodeTables.isSpace(codePoint)) {
            return new int[] {SPACE};
        }
        int[] decomposed = stripAccents ? decompose(codePoint) : new int[] {codePoint};
        if (ideographsAlone && UnicodeTables.isIdeograph(codePoint)) {
            // Compatibility ideographs decompose to one other ideograph; lower case and marks are not met here.
            return new int[] {ALONE | decomposed[0]};
        }
        return Arrays.stream(decomposed)
                .flatMap(c -> Arrays.stream(actionsOfPart(c)))
                .toArray();
    }

    private int[] actionsOfPart(int codePoint) {
        if (stripAccents && UnicodeTables.isNonspacing(codePoint)) {
            return UnicodeTables.isStarter(codePoint) ? new int[] {BARRIER} : new int[0];
        }
        int[] lowered = lowerCase ? lower(codePoint) : new int[] {codePoint};
        for (int i = 0; i < lowered.length; i++) {
            int combiningClass = stripAccents ? UnicodeTables.combiningClass(lowered[i]) : 0;
            if (UnicodeTables.isPunctuation(lowered[i])) {
                lowered[i] |= ALONE;
            } else if (combiningClass > 0) {
                lowered[i] |= MARK | combiningClass << CLASS_SHIFT;
            }
        }
        return lowered;
    }

    private static int[] decompose(int codePoint) {
        return UnicodeTables.isMapped(codePoint)
                ? Normalizer.normalize(Character.toString(codePoint), Normalizer.Form.NFD)
                        .codePoints()
                        .toArray()
                : new int[] {codePoint};
    }

    private static int[] lower(int codePoint) {
        if (codePoint == 0x130) {
            // The capital I with a dot is the only character whose lower case is two: an i, and a dot above.
            return new int[] {'i', 0x307};
        }
        return new int[] {UnicodeTables.isMapped(codePoint) ? Character.toLowerCase(codePoint) : codePoint};
    }
}
