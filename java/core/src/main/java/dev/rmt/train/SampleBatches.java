package dev.rmt.train;

import dev.rmt.ModelFormatException;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.SampleSeeds;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.task.TaskSample;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Batches of whole samples of the memory tasks: full segments, the question at the end of the last one, as the paper trains.
 * Facts are those for training. A sample depends on seed, stage and its number alone.
 */
public final class SampleBatches implements TrainingData {
    private final SampleSettings settings;
    private final Map<TaskKind, MemoryTask> tasks = new EnumMap<>(TaskKind.class);
    private final double[] shares; // by task
    private final long seed;
    private final RecentCounts counts; // by task

    private TaskKind[] kinds = {}; // of the samples of the batch that is under way

    SampleBatches(SampleSettings settings, StageData.Source source) {
        this.settings = settings;
        this.shares = new double[] {settings.memorize(), settings.detect(), settings.reason()};
        this.seed = SampleSeeds.of(source.seed(), source.stage());
        this.counts = new RecentCounts(source.window(), shares.length);
        if (!source.probes().isEmpty()) {
            throw new IllegalArgumentException("Whole samples have no rows for probes, but the stage uses the probe "
                    + source.probes().get(0).probe().name() + ".");
        }
        for (TaskKind kind : TaskKind.values()) {
            if (shares[kind.ordinal()] > 0) {
                tasks.put(
                        kind,
                        new MemoryTask(
                                kind,
                                settings.placement(),
                                source.tokenizer(),
                                source.noise(),
                                ReasonFacts.generated(),
                                source.config().segmentSize(),
                                Split.TRAINING));
            }
        }
    }

    @Override
    public TrainingBatch next(long index) {
        SplittableRandom random = new SplittableRandom(SampleSeeds.of(seed, index));
        int segments = settings.varied() ? 1 + random.nextInt(settings.segments()) : settings.segments();
        boolean last = settings.loss() == SampleSettings.Loss.LAST;
        float weight = 1f / (settings.batch() * (last ? 1 : segments));
        kinds = new TaskKind[settings.batch()];
        TrainingBatch.Builder batch = new TrainingBatch.Builder();
        for (int i = 0; i < kinds.length; i++) {
            kinds[i] = kind(random);
            TaskSample sample = tasks.get(kinds[i]).sample(random.nextLong(), segments);
            int parent = TrainingBatch.NONE;
            for (int k = 0; k < segments; k++) {
                int[] content = new int[tasks.get(kinds[i]).segmentSize()];
                readFully(sample, content);
                boolean atEnd = k == segments - 1;
                TrainingBatch.SegmentBuilder segment = TrainingBatch.reading(content)
                        .after(parent)
                        .writesMemory(!atEnd)
                        .dropoutKey(random.nextLong());
                if (atEnd || !last) {
                    segment.label(sample.label(), weight);
                }
                parent = batch.add(segment.build());
            }
        }
        return batch.build();
    }

    private TaskKind kind(SplittableRandom random) {
        double drawn = random.nextDouble() * (shares[0] + shares[1] + shares[2]);
        TaskKind chosen = null;
        for (TaskKind kind : tasks.keySet()) {
            chosen = kind;
            drawn -= shares[kind.ordinal()];
            if (drawn < 0) {
                break;
            }
        }
        return chosen;
    }

    private static void readFully(TaskSample sample, int[] ids) {
        int done = 0;
        while (done < ids.length) {
            done += sample.read(ids, done, ids.length - done);
        }
    }

    @Override
    public void learned(TrainingBatch batch, TrainingOutcome outcome) {
        counts.nextStep();
        int segments = batch.size() / kinds.length;
        for (int i = 0; i < kinds.length; i++) {
            counts.add(kinds[i].ordinal(), outcome.correct((i + 1) * segments - 1));
        }
    }

    /** By task: share of right answers at the last segment over the last steps; "lowest", the lowest of them. */
    @Override
    public Map<String, Double> metrics() {
        Map<String, Double> metrics = new LinkedHashMap<>();
        double lowest = 1;
        for (TaskKind kind : TaskKind.values()) {
            if (counts.total(kind.ordinal()) > 0) {
                metrics.put(kind.toString(), counts.accuracy(kind.ordinal()));
                lowest = Math.min(lowest, counts.accuracy(kind.ordinal()));
            }
        }
        if (!metrics.isEmpty()) {
            metrics.put("lowest", lowest);
        }
        return metrics;
    }

    @Override
    public byte[] save() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            counts.save(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // an array does not fail
        }
        return bytes.toByteArray();
    }

    @Override
    public void restore(byte[] state) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(state))) {
            counts.restore(in);
            if (in.read() >= 0) {
                throw new IOException("it goes on where it should end");
            }
        } catch (IOException e) {
            throw new ModelFormatException(
                    "The counts of the training samples cannot be read (" + e.getMessage()
                            + "): the checkpoint is damaged or belongs to another recipe.",
                    e);
        }
    }
}
