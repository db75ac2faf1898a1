package dev.rmt.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.InputException;
import dev.rmt.LoadOptions;
import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import dev.rmt.checkpoint.HashedFolder;
import dev.rmt.checkpoint.ModelDirectory;
import dev.rmt.checkpoint.ModelWriter;
import dev.rmt.checkpoint.Safetensors;
import dev.rmt.checkpoint.SafetensorsWriter;
import dev.rmt.checkpoint.TensorInfo;
import dev.rmt.checkpoint.Weights;
import dev.rmt.internal.NativeModel;
import dev.rmt.internal.TrainingBackend;
import dev.rmt.internal.TrainingBackend.Values;
import dev.rmt.text.WordPieceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * A training run on the disk: a folder that is a model directory ({@code config.json}, {@code model.safetensors}, the
 * vocabulary), with {@code optimizer.safetensors} (moments, average, weights of probes), {@code training.json} (where the run
 * stands, the settings that it was made with, the state of the data) and a manifest of hashes beside it. Replaced as a whole.
 *
 * <p>Between two steps there is nothing else: gradients are zero then.
 */
final class TrainingCheckpoint {
    private static final int VERSION = 1;
    private static final String TRAINING = "training.json";
    private static final String OPTIMIZER = "optimizer.safetensors";
    private static final String PROBES = "probes.safetensors";
    private static final String PROBE_PREFIX = "probe.";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final ModelConfig config;
    private final WordPieceTokenizer tokenizer;
    private final Map<String, String> settings;
    private final String arithmetic;
    private final List<Values> kept;

    /**
     * @param settings all that a run must have been started with to go on from a checkpoint of this one, by name
     * @param arithmetic what computes, an instruction set or a GPU: others round in other places
     * @param keepAverage whether the trainer has one
     */
    TrainingCheckpoint(
            ModelConfig config,
            WordPieceTokenizer tokenizer,
            Map<String, String> settings,
            String arithmetic,
            boolean keepAverage) {
        this.config = config;
        this.tokenizer = tokenizer;
        this.settings = settings;
        this.arithmetic = arithmetic;
        kept = keepAverage
                ? List.of(Values.FIRST_MOMENT, Values.SECOND_MOMENT, Values.AVERAGE)
                : List.of(Values.FIRST_MOMENT, Values.SECOND_MOMENT);
    }

    /**
     * Writes a checkpoint, replacing the one that is there.
     *
     * @throws dev.rmt.RmtException if it cannot be written; the one before stays as it was
     * @throws dev.rmt.internal.NotFiniteException if a weight or moment is NaN or infinite; likewise
     */
    void write(Path folder, TrainingBackend backend, TrainingState state) {
        HashedFolder.write(folder, temporary -> {
            ModelWriter.writeInto(temporary, config, tokenizer, new TrainerWeights(backend, config, Values.WEIGHTS));
            SafetensorsWriter optimizer = new SafetensorsWriter();
            for (Values which : kept) {
                add(optimizer, backend, which, prefix(which), name -> true);
            }
            add(optimizer, backend, Values.WEIGHTS, "", name -> name.startsWith(PROBE_PREFIX));
            optimizer.writeInPlace(temporary.resolve(OPTIMIZER));
            Files.write(
                    temporary.resolve(TRAINING),
                    JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(json(state)));
        });
    }

    /**
     * Reads a checkpoint into a trainer.
     *
     * @param folder checked already
     * @param notices takes what the user should know
     * @throws InputException if it was made with other settings
     * @throws ModelFormatException if it cannot be read
     */
    TrainingState read(Path folder, TrainingBackend backend, Consumer<String> notices) {
        JsonNode training = readJson(folder.resolve(TRAINING));
        checkSettings(folder, training.path("settings"));
        try (ModelDirectory model = ModelDirectory.open(folder, LoadOptions.defaults())) {
            if (!model.config().equals(config)) {
                throw new InputException("The checkpoint " + folder + " holds the model " + model.config()
                        + " but this run trains " + config + "; use the settings that it was made with.");
            }
            checkVocabulary(folder, model.tokenizer());
            copyWeights(backend, model.weights(), name -> !name.startsWith(PROBE_PREFIX));
        }
        Path file = folder.resolve(OPTIMIZER);
        try (Safetensors optimizer = Safetensors.open(file)) {
            for (Values which : kept) {
                copyTensors(optimizer, backend, which, prefix(which), name -> true);
            }
            copyTensors(optimizer, backend, Values.WEIGHTS, "", name -> name.startsWith(PROBE_PREFIX));
        }
        String madeWith = training.path("arithmetic").asText();
        if (!madeWith.equals(arithmetic)) {
            notices.accept("The checkpoint was made with " + madeWith + ", this run uses " + arithmetic
                    + ": it goes on, but not to the same bits as on the machine before.");
        }
        return state(folder.resolve(TRAINING), training);
    }

    /** Writes the model as it stands to a folder of its own, with the weights of the probes beside it. */
    void writeModel(Path folder, TrainingBackend backend, Values which, boolean withProbes) {
        HashedFolder.write(folder, temporary -> {
            ModelWriter.writeInto(temporary, config, tokenizer, new TrainerWeights(backend, config, which));
            if (withProbes) {
                SafetensorsWriter probes = new SafetensorsWriter();
                add(probes, backend, which, "", name -> name.startsWith(PROBE_PREFIX));
                probes.writeInPlace(temporary.resolve(PROBES));
            }
        });
    }

    /** Reads what {@link #writeModel} wrote with probes into the weights of a trainer. */
    void readModel(Path folder, TrainingBackend backend) {
        try (ModelDirectory model = ModelDirectory.open(folder, LoadOptions.defaults())) {
            copyWeights(backend, model.weights(), name -> !name.startsWith(PROBE_PREFIX));
        }
        try (Safetensors probes = Safetensors.open(folder.resolve(PROBES))) {
            copyTensors(probes, backend, Values.WEIGHTS, "", name -> name.startsWith(PROBE_PREFIX));
        }
    }

    /** "first_moment." */
    private static String prefix(Values which) {
        return which.name().toLowerCase(java.util.Locale.ROOT) + ".";
    }

    private static void add(
            SafetensorsWriter writer, TrainingBackend backend, Values which, String prefix, Predicate<String> names) {
        for (NativeModel.Parameter parameter : backend.parameters()) {
            if (names.test(parameter.name())) {
                long[] shape =
                        parameter.shape().stream().mapToLong(Long::longValue).toArray();
                writer.floats(prefix + parameter.name(), shape, (first, dst, offset, count) -> {
                    float[] piece = offset == 0 ? dst : new float[count];
                    TrainerWeights.readFinite(backend, which, parameter, first, piece, count);
                    if (offset != 0) {
                        System.arraycopy(piece, 0, dst, offset, count);
                    }
                });
            }
        }
    }

    private static void copyTensors(
            Safetensors file, TrainingBackend backend, Values which, String prefix, Predicate<String> names) {
        for (NativeModel.Parameter parameter : backend.parameters()) {
            if (names.test(parameter.name())) {
                TensorInfo tensor = file.get(prefix + parameter.name());
                if (tensor == null || !tensor.shape().equals(parameter.shape())) {
                    throw new ModelFormatException(file.file() + " holds "
                            + (tensor == null ? "no tensor" : tensor.shape() + " for") + " \"" + prefix
                            + parameter.name() + "\" where the shape " + parameter.shape() + " is needed.");
                }
                copy(
                        backend,
                        which,
                        parameter,
                        (first, dst, offset, count) -> file.read(tensor, first, dst, offset, count));
            }
        }
    }

    /** Copies weights into a trainer. */
    static void copyWeights(TrainingBackend backend, Weights source, Predicate<String> names) {
        for (NativeModel.Parameter parameter : backend.parameters()) {
            String name = parameter.name();
            if (names.test(name)) {
                if (!source.has(name)
                        || !java.util.Arrays.stream(source.shape(name))
                                .boxed()
                                .toList()
                                .equals(parameter.shape())) {
                    throw new ModelFormatException("The starting weights hold no " + name + " of the shape "
                            + parameter.shape() + ", which the model needs.");
                }
                copy(
                        backend,
                        Values.WEIGHTS,
                        parameter,
                        (first, dst, offset, count) -> source.read(name, first, dst, offset, count));
            }
        }
    }

    private static void copy(
            TrainingBackend backend,
            Values which,
            NativeModel.Parameter parameter,
            dev.rmt.checkpoint.FloatSource source) {
        float[] piece = new float[(int) Math.min(1 << 16, parameter.count())];
        for (long done = 0; done < parameter.count(); ) {
            int count = (int) Math.min(piece.length, parameter.count() - done);
            source.read(done, piece, 0, count);
            backend.setValues(which, parameter, piece, done, count);
            done += count;
        }
    }

    private ObjectNode json(TrainingState state) {
        ObjectNode json = JSON.createObjectNode();
        json.put("version", VERSION);
        json.put("stage", state.stage());
        json.put("step", state.step());
        json.put("stage_ended", state.stageEnded());
        json.put("total_step", state.totalStep());
        json.put("optimizer_step", state.optimizerStep());
        json.put("tokens", state.tokens());
        json.put("seconds", state.seconds());
        if (!Double.isNaN(state.bestScore())) {
            ObjectNode best = json.putObject("best");
            best.put("score", state.bestScore());
            best.put("step", state.bestStep());
            ObjectNode figures = best.putObject("figures");
            state.bestFigures().forEach(figures::put);
        }
        json.put("arithmetic", arithmetic);
        ObjectNode made = json.putObject("settings");
        settings.forEach(made::put);
        json.put("data", Base64.getEncoder().encodeToString(state.data()));
        return json;
    }

    private static TrainingState state(Path file, JsonNode json) {
        int version = json.path("version").asInt();
        if (version != VERSION) {
            throw new ModelFormatException(
                    file + " has the version " + version + "; this program reads " + VERSION + ".");
        }
        JsonNode best = json.path("best");
        Map<String, Double> figures = new LinkedHashMap<>();
        best.path("figures")
                .fields()
                .forEachRemaining(
                        entry -> figures.put(entry.getKey(), entry.getValue().asDouble()));
        byte[] data;
        try {
            data = Base64.getDecoder().decode(json.path("data").asText());
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(file + " holds a damaged data state: " + e.getMessage(), e);
        }
        return new TrainingState(
                json.path("stage").asInt(),
                json.path("step").asLong(),
                json.path("stage_ended").asBoolean(),
                json.path("total_step").asLong(),
                json.path("optimizer_step").asLong(),
                json.path("tokens").asLong(),
                json.path("seconds").asDouble(),
                best.path("score").asDouble(Double.NaN),
                figures,
                best.path("step").asLong(),
                data);
    }

    private static JsonNode readJson(Path file) {
        try {
            return JSON.readTree(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new ModelFormatException(file + " cannot be read: " + e.getMessage() + ".", e);
        }
    }

    private void checkSettings(Path folder, JsonNode made) {
        Map<String, String> then = new LinkedHashMap<>();
        made.fields()
                .forEachRemaining(
                        entry -> then.put(entry.getKey(), entry.getValue().asText()));
        settings.forEach((name, value) -> {
            String before = then.remove(name);
            if (!value.equals(before)) {
                throw new InputException("The checkpoint " + folder + " was made with " + name + " = "
                        + (before == null ? "nothing" : before) + ", this run has " + value
                        + "; resume with the settings that it was made with, or start anew in another folder.");
            }
        });
        if (!then.isEmpty()) {
            Map.Entry<String, String> first = then.entrySet().iterator().next();
            throw new InputException("The checkpoint " + folder + " was made with " + first.getKey() + " = "
                    + first.getValue()
                    + ", which this run does not have; resume with the settings that it was made with,"
                    + " or start anew in another folder.");
        }
    }

    private void checkVocabulary(Path folder, WordPieceTokenizer other) {
        int size = tokenizer.vocabulary().size();
        boolean same = other.vocabulary().size() == size && other.options().equals(tokenizer.options());
        for (int id = 0; same && id < size; id++) {
            same = other.vocabulary().piece(id).equals(tokenizer.vocabulary().piece(id));
        }
        if (!same) {
            throw new InputException("The checkpoint " + folder
                    + " was made with another vocabulary than this run has; use the one that it was made with.");
        }
    }
}
