package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.RmtModel;
import dev.rmt.SegmentView;
import dev.rmt.SegmentWatcher;
import dev.rmt.task.TaskSample.Placed;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Watches a text being read: keeps the memory states, and of the segments that are shown the attention as a file, its shares
 * as JSON, the heads that do memory's work, and what is drawn of them. A file that cannot be written costs no other result.
 */
final class AttentionRun implements SegmentWatcher {
    /**
     * What to look at, and where it goes.
     *
     * @param end whether the end of the text is looked at, whichever segment that is
     * @param everyHead whether every head is drawn
     * @param range positions that are drawn; none: those worth a look
     */
    record Settings(
            List<Integer> layers,
            List<Integer> heads,
            Set<Long> segments,
            boolean end,
            boolean everyHead,
            List<Integer> range,
            Path folder,
            String pictureFormat) {}

    private final Settings settings;
    private final List<Placed> facts;
    private final int questionTokens;
    private final int segmentSize;
    private final MemoryStates states;
    private final Map<MemoryOperation, MemoryOperation.Seen> operations = new EnumMap<>(MemoryOperation.class);
    private final Map<MemoryOperation, HeatMap> panels = new EnumMap<>(MemoryOperation.class);
    private final Map<String, HeatMap> singles = new LinkedHashMap<>();
    private final ArrayNode segments = Json.MAPPER.createArrayNode();
    private final List<String> files = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();
    private boolean ending;
    private long count;

    /**
     * @param facts by their place in the content; none where nobody knows
     * @param questionTokens of the question at the end; 0: there is none
     */
    AttentionRun(Settings settings, RmtModel model, List<Placed> facts, int questionTokens) {
        this.settings = settings;
        this.facts = facts;
        this.questionTokens = questionTokens;
        segmentSize = model.config().segmentSize();
        states = new MemoryStates(model.config().numMemTokens());
    }

    /** The end of the text is read from here on: which is shown unless other segments are chosen. */
    void ending() {
        ending = true;
    }

    @Override
    public List<Integer> layers(long segment) {
        return (ending && settings.end()) || settings.segments().contains(segment) ? settings.layers() : List.of();
    }

    @Override
    public void segment(SegmentView view) {
        count = view.index() + 1;
        if (states.size() == 0) {
            states.add(view.memoryBefore());
        }
        if (!view.answering()) {
            states.add(view.memoryAfter());
        }
        if (view.layers().isEmpty()) {
            return;
        }
        SegmentMarks marks = SegmentMarks.of(view, facts, questionTokens, segmentSize);
        findOperations(view, marks);
        String file = writeAttention(view);
        segments.add(describe(view, marks, file));
        if (settings.everyHead()) {
            for (int layer : settings.layers()) {
                for (int head : settings.heads()) {
                    singles.put(
                            "segment-" + view.index() + "-layer-" + layer + "-head-" + head,
                            panel(view, marks, layer, head, place(view.index(), layer, head), ""));
                }
            }
        }
    }

    private void findOperations(SegmentView view, SegmentMarks marks) {
        List<MemoryOperation> possible = new ArrayList<>();
        if (marks.fact().length > 0) {
            possible.add(
                    operations.containsKey(MemoryOperation.WRITE) ? MemoryOperation.APPEND : MemoryOperation.WRITE);
        } else if (!view.answering() && view.index() > firstFactSegment()) {
            possible.add(MemoryOperation.KEEP);
        }
        if (view.answering()) {
            possible.add(MemoryOperation.READ);
        }
        for (MemoryOperation operation : possible) {
            MemoryOperation.Seen best = operation.find(view, settings.heads(), marks);
            if (best != null && operations.putIfAbsent(operation, best) == null) {
                String title = capitalized(operation.title()) + ": " + place(best.segment(), best.layer(), best.head());
                String subtitle = operation.meaning() + ": " + Text.percent(best.share()) + " of its attention";
                panels.put(operation, panel(view, marks, best.layer(), best.head(), title, subtitle));
            }
        }
    }

    /** Without facts, the first segment: keeping is looked for behind it. */
    private long firstFactSegment() {
        return factSegments().stream().findFirst().orElse(0L);
    }

    /** Segments that hold a fact, ascending. */
    Set<Long> factSegments() {
        return facts.stream().map(fact -> fact.position() / segmentSize).collect(Collectors.toCollection(TreeSet::new));
    }

    private HeatMap panel(SegmentView view, SegmentMarks marks, int layer, int head, String title, String subtitle) {
        int[] positions = settings.range().isEmpty()
                ? AttentionPicture.positions(view, marks)
                : settings.range().stream()
                        .mapToInt(Integer::intValue)
                        .filter(position -> position < view.length())
                        .toArray();
        return AttentionPicture.attention(view, marks, layer, head, positions, title, subtitle);
    }

    private static String place(long segment, int layer, int head) {
        return "segment " + segment + ", layer " + layer + ", head " + head;
    }

    private static String capitalized(String text) {
        return Character.toUpperCase(text.charAt(0)) + text.substring(1);
    }

    /** (layers, heads, length, length). Returns the file's name; null: it could not be written. */
    private String writeAttention(SegmentView view) {
        String name = "segment-" + view.index() + ".npy";
        return write(name, () -> {
            try (NpyFile file = new NpyFile(
                    settings.folder().resolve(name),
                    settings.layers().size(),
                    settings.heads().size(),
                    view.length(),
                    view.length())) {
                for (int layer : settings.layers()) {
                    for (int head : settings.heads()) {
                        file.write(view.attention(layer, head));
                    }
                }
            }
        });
    }

    private ObjectNode describe(SegmentView view, SegmentMarks marks, String file) {
        ObjectNode node = Json.object();
        node.put("segment", view.index());
        node.put("answering", view.answering());
        node.put("attention", file);
        view.labels().forEach(node.putArray("labels")::add);
        put(node, "memory_positions", marks.memory());
        put(node, "fact_positions", marks.fact());
        put(node, "question_positions", marks.question());
        ArrayNode shares = node.putArray("shares");
        for (int layer : settings.layers()) {
            for (int head : settings.heads()) {
                ObjectNode share = shares.addObject().put("layer", layer).put("head", head);
                if (marks.memory().length > 0) {
                    share.put("memory_to_memory", view.share(layer, head, marks.memory(), marks.memory()));
                    share.put("memory_to_fact", view.share(layer, head, marks.memory(), marks.fact()));
                }
                if (marks.readers().length > 0) {
                    share.put("question_to_memory", view.share(layer, head, marks.readers(), marks.memory()));
                    share.put("question_to_fact", view.share(layer, head, marks.readers(), marks.fact()));
                }
            }
        }
        return node;
    }

    private static void put(ObjectNode node, String name, int[] positions) {
        ArrayNode array = node.putArray(name);
        for (int position : positions) {
            array.add(position);
        }
    }

    /** Writes the memory states, (states, M, H); their distances go into the JSON. */
    void writeMemory(ObjectNode json) {
        if (states.size() < 2 || states.numMemTokens() == 0) {
            return;
        }
        String name = "memory.npy";
        int width = states.get(0).length / states.numMemTokens();
        String file = write(name, () -> {
            try (NpyFile npy =
                    new NpyFile(settings.folder().resolve(name), states.size(), states.numMemTokens(), width)) {
                for (int state = 0; state < states.size(); state++) {
                    npy.write(states.get(state));
                }
            }
        });
        ObjectNode memory = json.putObject("memory");
        memory.put("states", file);
        ArrayNode changes = memory.putArray("changes");
        for (int state = 1; state < states.size(); state++) {
            ObjectNode change = changes.addObject().put("segment", state - 1);
            change.put("distance", states.distance(state - 1, state));
            ArrayNode tokens = change.putArray("of_each_token");
            for (int token = 0; token < states.numMemTokens(); token++) {
                tokens.add(states.distance(state - 1, state, token));
            }
        }
    }

    /** Draws what there is to draw; last of all, when everything else is safe. */
    void draw() {
        if (!panels.isEmpty()) {
            draw("figure6", AttentionPicture.of(List.copyOf(panels.values())));
        }
        if (states.size() >= 2 && states.numMemTokens() > 0) {
            draw("memory", AttentionPicture.memory(states, factSegments()));
        }
        singles.forEach((name, panel) -> draw(name, AttentionPicture.of(List.of(panel))));
    }

    private void draw(String name, AttentionPicture picture) {
        Path file = settings.folder().resolve(name + "." + settings.pictureFormat());
        Optional<String> problem = Picture.save(file, picture.width(), picture.height(), picture::paint);
        if (problem.isEmpty()) {
            files.add(file.getFileName().toString());
        }
        problem.ifPresent(reason -> problems.add("There is no picture " + file + ": " + reason + "."));
    }

    /** Something that writes a file. */
    interface Writing {
        void run() throws IOException;
    }

    /** Returns the name; null: it could not be written, which is among the problems then. */
    String write(String name, Writing writing) {
        try {
            writing.run();
            files.add(name);
            return name;
        } catch (IOException e) {
            problems.add("There is no file " + settings.folder().resolve(name) + ": " + reason(e) + ".");
            return null;
        }
    }

    private static String reason(IOException e) {
        String reason =
                e instanceof FileSystemException file && file.getReason() != null ? file.getReason() : e.getMessage();
        return reason == null ? e.toString() : reason;
    }

    Settings settings() {
        return settings;
    }

    /** Segments that were run. */
    long count() {
        return count;
    }

    /** The heads that were found, in the order of the paper's panels. */
    List<MemoryOperation.Seen> operations() {
        return List.copyOf(operations.values());
    }

    MemoryStates states() {
        return states;
    }

    ArrayNode segments() {
        return segments;
    }

    /** Names of the files that were written. */
    List<String> files() {
        return files;
    }

    /** A sentence for each file that could not be written. */
    List<String> problems() {
        return problems;
    }
}
