package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.CheckedFiles.quote;

import dev.rmt.ModelConfig;
import dev.rmt.ModelFormatException;
import dev.rmt.checkpoint.WeightFiles.Located;
import dev.rmt.text.WordPieceTokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** Puts configuration, files and options of a directory together, and says what does not fit. */
final class ModelAssembly {
    private static final int MAX_LISTED = 10;

    private final Path configFile;
    private final BertConfig file;
    private final WeightFiles files;
    private final MemoryRowsPlan memory;
    private final long seed;
    private final List<String> notices = new ArrayList<>();
    private final List<String> initialized = new ArrayList<>();

    ModelAssembly(Path configFile, BertConfig file, WeightFiles files, MemoryRowsPlan memory, long seed) {
        this.configFile = configFile;
        this.file = file;
        this.files = files;
        this.memory = memory;
        this.seed = seed;
    }

    ModelDirectory assemble(WordPieceTokenizer tokenizer) {
        if (!file.unknownRmtFields().isEmpty()) {
            notices.add(
                    "Ignored in the \"rmt\" object of " + configFile + ": " + listed(file.unknownRmtFields()) + ".");
        }
        notices.addAll(memory.notices());
        ModelConfig config = config();
        Map<String, Located> found = find(config);
        RandomWeights made = new RandomWeights(config, seed, file.initializerRange());
        boolean saidTrained = file.rmt().map(BertConfig.RmtObject::trained).orElse(true);
        DirectoryWeights weights = new DirectoryWeights(saidTrained && initialized.isEmpty());
        BertParameters.of(config).forEach((name, shape) -> {
            Located located = found.get(name);
            if (located == null) {
                weights.add(name, made);
            } else {
                long first = isLastWordRows(name) ? (long) config.vocabSize() * config.hiddenSize() : 0;
                weights.add(name, shape, located, first);
            }
        });
        if (!saidTrained) {
            notices.add("The weights are random: " + configFile + " says so.");
        }
        noteIgnored(found);
        return new ModelDirectory(config, file, tokenizer, files, weights, initialized, notices);
    }

    private ModelConfig config() {
        int inputLength = file.rmt()
                .map(BertConfig.RmtObject::inputLength)
                .orElse(OptionalInt.empty())
                .orElse(file.maxPositions());
        try {
            return ModelConfig.builder()
                    .hiddenSize(file.hiddenSize())
                    .numLayers(file.numLayers())
                    .numHeads(file.numHeads())
                    .intermediateSize(file.intermediateSize())
                    .vocabSize(memory.vocabSize())
                    .maxPositions(file.maxPositions())
                    .typeVocabSize(file.typeVocabSize())
                    .layerNormEps(file.layerNormEps())
                    .numMemTokens(memory.numMemTokens())
                    .inputLength(inputLength)
                    .labels(labels())
                    .build();
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(configFile + " does not describe a model: " + e.getMessage(), e);
        }
    }

    private List<String> labels() {
        Located classifier = files.byCanonicalName().get(BertParameters.CLASSIFIER_WEIGHT);
        Optional<List<String>> named = file.labels();
        if (classifier == null) {
            return named.orElse(ModelDirectory.TASK_LABELS);
        }
        List<Long> shape = classifier.tensor().shape();
        long rows = shape.isEmpty() ? 0 : shape.get(0);
        if (named.isPresent() && named.get().size() != rows) {
            throw new ModelFormatException(configFile + " has " + named.get().size() + " labels but "
                    + classifier.describe() + " has the shape " + shape
                    + ", one row for each label; take the config.json that belongs to these weights.");
        }
        if (named.isEmpty()) {
            if (rows < 1 || rows > BertConfig.MAX_LABELS) {
                throw new ModelFormatException(classifier.describe() + " has the shape " + shape + "; 1 to "
                        + BertConfig.MAX_LABELS + " rows are expected, one for each label.");
            }
            notices.add(configFile + " names no labels; they are called LABEL_0 to LABEL_" + (rows - 1) + ".");
        }
        return named.orElseGet(() -> BertConfig.numberedLabels((int) rows));
    }

    /** The tensor of each parameter that the files hold; complains about all that is wrong with them at once. */
    private Map<String, Located> find(ModelConfig config) {
        Map<String, Located> found = new LinkedHashMap<>();
        List<String> problems = new ArrayList<>();
        Set<String> absent = absentParts();
        BertParameters.of(config).forEach((name, shape) -> {
            Located located = locate(name);
            if (located != null) {
                // The word embeddings are checked under their own name: one complaint about them is enough.
                if (!isLastWordRows(name)) {
                    problem(name, shape, located).ifPresent(problems::add);
                }
                found.put(name, located);
            } else if (name.equals(Weights.MEMORY) && config.numMemTokens() == 0) {
                // No memory: nothing to read and nothing to make.
            } else if (absent.contains(name)) {
                initialized.add(name);
            } else {
                problems.add(quote(name) + " is missing");
            }
        });
        if (!problems.isEmpty()) {
            String more = problems.size() > MAX_LISTED ? "; and " + (problems.size() - MAX_LISTED) + " more" : "";
            throw new ModelFormatException(files.named() + " does not hold the model that " + configFile
                    + " describes, " + problems.size() + " tensors are missing or wrong: "
                    + String.join("; ", problems.subList(0, Math.min(MAX_LISTED, problems.size()))) + more
                    + ". Take the config.json that belongs to these weights.");
        }
        return found;
    }

    /** Parameters that may be absent because they are made from the seed: whole parts only, never half of one. */
    private Set<String> absentParts() {
        Set<String> absent = new HashSet<>();
        if (memory.origin() == MemoryRowsPlan.Origin.NEW) {
            absent.add(Weights.MEMORY);
        }
        addIfAbsent(absent, "pooler", BertParameters.POOLER_WEIGHT, BertParameters.POOLER_BIAS);
        addIfAbsent(absent, "classifier", BertParameters.CLASSIFIER_WEIGHT, BertParameters.CLASSIFIER_BIAS);
        return absent;
    }

    private void addIfAbsent(Set<String> absent, String part, String weight, String bias) {
        if (locate(weight) == null && locate(bias) == null) {
            absent.add(weight);
            absent.add(bias);
            notices.add(files.named() + " holds no " + part + ": it was made from seed " + seed + " and is untrained.");
        }
    }

    private Located locate(String name) {
        if (!name.equals(Weights.MEMORY)) {
            return files.byCanonicalName().get(name);
        }
        return switch (memory.origin()) {
            case LAST_WORD_ROWS -> files.byCanonicalName().get(BertParameters.WORD_EMBEDDINGS);
            case TENSOR -> {
                Located located = files.byName().get(memory.tensor());
                if (located == null) {
                    throw new ModelFormatException(configFile + " says that tensor " + quote(memory.tensor())
                            + " is the initial memory, but " + files.named() + " holds no such tensor.");
                }
                yield located;
            }
            case NEW -> null;
        };
    }

    private Optional<String> problem(String name, long[] shape, Located located) {
        TensorInfo tensor = located.tensor();
        if (!tensor.dtype().readsAsFloat()) {
            return Optional.of(quote(tensor.name()) + " is stored as " + tensor.dtype()
                    + " where F32, F16, BF16 or F64 is needed");
        }
        // In the file, memory rows count among the word embeddings.
        List<Long> wanted = name.equals(BertParameters.WORD_EMBEDDINGS)
                ? List.of((long) file.wordRows(), (long) file.hiddenSize())
                : Arrays.stream(shape).boxed().toList();
        return tensor.shape().equals(wanted)
                ? Optional.empty()
                : Optional.of(quote(tensor.name()) + " has the shape " + tensor.shape() + " instead of " + wanted);
    }

    private boolean isLastWordRows(String name) {
        return name.equals(Weights.MEMORY) && memory.origin() == MemoryRowsPlan.Origin.LAST_WORD_ROWS;
    }

    private void noteIgnored(Map<String, Located> found) {
        // By identity: the hash of a record is a method that is generated at run time, and costs memory.
        Set<Located> used = Collections.newSetFromMap(new IdentityHashMap<>());
        used.addAll(found.values());
        List<String> ignored = files.byName().values().stream()
                .filter(located -> !used.contains(located))
                .map(located -> located.tensor().name())
                .sorted()
                .toList();
        if (!ignored.isEmpty()) {
            notices.add("Ignored in " + files.named() + ", since the encoder does not use them, " + ignored.size()
                    + " tensors: " + listed(ignored) + ".");
        }
    }

    private static String listed(Collection<String> names) {
        String first = String.join(
                ", ", names.stream().limit(MAX_LISTED).map(CheckedFiles::clean).toList());
        return names.size() > MAX_LISTED ? first + ", ..." : first;
    }
}
