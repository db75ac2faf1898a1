package dev.rmt.cli;

import dev.rmt.SegmentView;
import dev.rmt.cli.HeatMap.Label;
import java.awt.Graphics2D;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Pictures of attention and of what became of memory, as heat maps. */
final class AttentionPicture {
    /** Rows and columns of a picture where nobody says otherwise; those of the paper's figure 6. */
    private static final int USUAL_POSITIONS = 30;

    private static final int PANELS_IN_A_ROW = 2;
    private static final int LARGEST_CELL = 30;
    private static final int MEMORY_WIDTH = 420;

    private final List<HeatMap> panels;

    private AttentionPicture(List<HeatMap> panels) {
        this.panels = panels;
    }

    static AttentionPicture of(List<HeatMap> panels) {
        return new AttentionPicture(List.copyOf(panels));
    }

    /** Attention of one head. */
    static HeatMap attention(
            SegmentView view, SegmentMarks marks, int layer, int head, int[] positions, String title, String subtitle) {
        float[] all = view.attention(layer, head);
        double[][] values = new double[positions.length][positions.length];
        for (int r = 0; r < positions.length; r++) {
            for (int c = 0; c < positions.length; c++) {
                values[r][c] = all[positions[r] * view.length() + positions[c]];
            }
        }
        List<Label> labels = labels(view, marks, positions);
        return new HeatMap(
                title,
                subtitle,
                labels,
                labels,
                "position that attends",
                "position attended to (facts and question in bold)",
                values,
                "share of the row's attention",
                true,
                HeatMap.SMALLEST_CELL);
    }

    private static List<Label> labels(SegmentView view, SegmentMarks marks, int[] positions) {
        List<String> texts = view.labels();
        Set<Integer> marked = IntStream.concat(IntStream.of(marks.fact()), IntStream.of(marks.question()))
                .boxed()
                .collect(Collectors.toSet());
        List<Label> labels = new ArrayList<>();
        for (int i = 0; i < positions.length; i++) {
            boolean gap = i > 0 && positions[i] != positions[i - 1] + 1;
            labels.add(new Label(texts.get(positions[i]), marked.contains(positions[i]), gap));
        }
        return labels;
    }

    /** Positions worth a look: [CLS], memory and [SEP], facts and question with their neighbours, then the first others. */
    static int[] positions(SegmentView view, SegmentMarks marks) {
        TreeSet<Integer> chosen = new TreeSet<>();
        IntStream.range(0, Math.min(view.contentStart(), view.length())).forEach(chosen::add);
        IntStream.concat(Arrays.stream(marks.fact()), Arrays.stream(marks.question()))
                .flatMap(position -> IntStream.rangeClosed(position - 2, position + 2))
                .filter(position -> position >= 0 && position < view.length())
                .forEach(chosen::add);
        for (int position = 0; position < view.length() && chosen.size() < USUAL_POSITIONS; position++) {
            chosen.add(position);
        }
        return chosen.stream().mapToInt(Integer::intValue).toArray();
    }

    /**
     * How far memory moved: between all pairs of states, and token by token from state to state. What the first segment does to
     * the initial memory is larger than all that follows and tells nothing: it is left out where there is something else.
     *
     * @param factSegments segments that hold a fact
     */
    static AttentionPicture memory(MemoryStates states, Set<Long> factSegments) {
        int[] shown = states.shown();
        int cell = Math.max(HeatMap.SMALLEST_CELL, Math.min(LARGEST_CELL, MEMORY_WIDTH / shown.length));
        String marked = factSegments.isEmpty() ? "" : " (those with a fact in bold)";
        double[][] distances = new double[shown.length][shown.length];
        double[][] changes = new double[states.numMemTokens()][shown.length - 1];
        for (int i = 0; i < shown.length; i++) {
            for (int j = 0; j < shown.length; j++) {
                distances[i][j] = states.distance(shown[i], shown[j]);
            }
            for (int token = 0; i > 0 && token < changes.length; token++) {
                changes[token][i - 1] = states.distance(shown[i - 1], shown[i], token);
            }
        }
        List<Label> after = labels(shown, 0, "after ", factSegments);
        List<Label> segments = labels(shown, 1, "segment ", factSegments);
        List<Label> tokens = IntStream.rangeClosed(1, changes.length)
                .mapToObj(token -> Label.of("[mem " + token + "]"))
                .toList();
        return of(List.of(
                new HeatMap(
                        "Distance between memory states",
                        "Euclidean, over all memory tokens; \"after 3\": after segment 3",
                        after,
                        after,
                        "memory",
                        "memory after segments" + marked,
                        distances,
                        "distance",
                        false,
                        cell),
                new HeatMap(
                        "What each segment changed in memory",
                        "Euclidean distance of each memory token to what it was before",
                        tokens,
                        segments,
                        "memory token",
                        "segments" + marked,
                        changes,
                        "distance",
                        false,
                        cell)));
    }

    private static List<Label> labels(int[] shown, int first, String prefix, Set<Long> factSegments) {
        return IntStream.range(first, shown.length)
                .mapToObj(i -> {
                    long segment = shown[i] - 1;
                    boolean gap = i > first && shown[i] != shown[i - 1] + 1;
                    return segment < 0
                            ? Label.of("start")
                            : new Label(prefix + segment, factSegments.contains(segment), gap);
                })
                .toList();
    }

    int width() {
        return columns() * panelWidth();
    }

    int height() {
        return rowHeights().sum();
    }

    private int columns() {
        return Math.min(PANELS_IN_A_ROW, panels.size());
    }

    private int panelWidth() {
        return panels.stream().mapToInt(HeatMap::width).max().orElse(1);
    }

    private IntStream rowHeights() {
        return IntStream.iterate(0, first -> first < panels.size(), first -> first + PANELS_IN_A_ROW)
                .map(first -> panels.subList(first, Math.min(first + PANELS_IN_A_ROW, panels.size())).stream()
                        .mapToInt(HeatMap::height)
                        .max()
                        .orElse(0));
    }

    void paint(Graphics2D graphics) {
        int[] heights = rowHeights().toArray();
        int y = 0;
        for (int i = 0; i < panels.size(); i++) {
            int x = i % PANELS_IN_A_ROW * panelWidth();
            graphics.translate(x, y);
            panels.get(i).paint(graphics);
            graphics.translate(-x, -y);
            y += i % PANELS_IN_A_ROW == PANELS_IN_A_ROW - 1 ? heights[i / PANELS_IN_A_ROW] : 0;
        }
    }
}
