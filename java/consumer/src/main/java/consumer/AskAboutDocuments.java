package consumer;

import dev.rmt.Device;
import dev.rmt.RmtBatch;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.SegmentAlignment;
import dev.rmt.task.MemoryTask;
import dev.rmt.task.Noise;
import dev.rmt.task.Placement;
import dev.rmt.task.ReasonFacts;
import dev.rmt.task.SampleSeeds;
import dev.rmt.task.Split;
import dev.rmt.task.TaskKind;
import dev.rmt.task.TaskSample;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Writes documents of 16 segments with facts in them to text files, reads each with a session of the built-in model, and asks:
 * the way an application uses it. As many answers must be right as when {@code eval} runs the same samples from token ids,
 * within half a point.
 *
 * <p>Arguments: documents (default 60), a model directory (default: the built-in model).
 */
public final class AskAboutDocuments {
    private static final int SEGMENTS = 16;
    private static final double ALLOWED_DIFFERENCE = 0.005;

    private AskAboutDocuments() {}

    public static void main(String[] arguments) throws IOException {
        int documents = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 60;
        Path file = Files.createTempFile("rmt-document", ".txt");
        int asked = 0;
        int right = 0;
        int rightFromIds = 0;
        try (RmtModel model = arguments.length > 1
                        ? RmtModel.load(Path.of(arguments[1]), Device.best())
                        : RmtModel.builtIn(Device.best());
                RmtBatch batch = model.newBatch(1)) {
            Noise noise = Noise.generated(model.tokenizer(), 42);
            for (TaskKind kind : TaskKind.values()) {
                MemoryTask task = new MemoryTask(
                        kind,
                        Placement.ANY,
                        model.tokenizer(),
                        noise,
                        ReasonFacts.generated(),
                        model.config().segmentSize(),
                        Split.VALIDATION);
                int wanted = asked + (documents - asked) / (TaskKind.values().length - kind.ordinal());
                for (int i = 0; asked < wanted; i++) {
                    TaskSample sample = task.sample(SampleSeeds.of(7, i), SEGMENTS);
                    String text = text(sample, model.tokenizer());
                    if (text == null) {
                        continue;
                    }
                    Files.writeString(file, text);
                    try (RmtSession session = model.newSession()) {
                        session.read(file);
                        String answer = session.ask(sample.question().text()).label();
                        right += answer.equals(sample.answer()) ? 1 : 0;
                    }
                    sample.rewind();
                    float[] logits = batch.read(
                            List.of(sample), new long[] {sample.length()}, SegmentAlignment.RIGHT)[0];
                    rightFromIds += largest(logits) == sample.label() ? 1 : 0;
                    asked++;
                }
            }
        } finally {
            Files.delete(file);
        }
        System.out.printf(
                Locale.ROOT,
                "%d documents of %d segments: %.2f %% right when read from files and asked, %.2f %% as samples of eval%n",
                asked,
                SEGMENTS,
                100.0 * right / asked,
                100.0 * rightFromIds / asked);
        if (Math.abs(right - rightFromIds) > ALLOWED_DIFFERENCE * asked) {
            throw new AssertionError("They differ by more than " + 100 * ALLOWED_DIFFERENCE + " points.");
        }
    }

    /** All of a sample but its question as text; null if that would be read as other tokens: noise may begin in a word. */
    private static String text(TaskSample sample, WordPieceTokenizer tokenizer) {
        int[] ids = new int[(int) (sample.length() - sample.question().tokens())];
        for (int done = 0; done < ids.length; ) {
            done += sample.read(ids, done, ids.length - done);
        }
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            String piece = tokenizer.vocabulary().piece(id);
            text.append(piece.startsWith("##") ? piece.substring(2) : " " + piece);
        }
        return Arrays.equals(tokenizer.encode(text), ids) ? text.toString() : null;
    }

    private static int largest(float[] values) {
        int largest = 0;
        for (int i = 1; i < values.length; i++) {
            largest = values[i] > values[largest] ? i : largest;
        }
        return largest;
    }
}
