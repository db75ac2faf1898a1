package dev.rmt.train;

import dev.rmt.checkpoint.LookBackValues;
import dev.rmt.task.NoiseMix;
import dev.rmt.task.Placement;
import dev.rmt.task.TaskKind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes a {@link Curriculum} of YAML. What is not said has the value that stands here. */
final class CurriculumReader {
    private static final TrainingData NO_BATCHES = index -> {
        throw new IllegalStateException("There are no batches to check a recipe with.");
    };

    private final YamlMap file;
    private final Map<String, ProbeSpec> probes = new LinkedHashMap<>();

    private CurriculumReader(YamlMap file) {
        this.file = file;
    }

    /**
     * @param where the file, for messages
     * @param name of the curriculum
     */
    static Curriculum read(String where, String name, String text) {
        YamlMap file = YamlMap.parse(where, text);
        return file.make(map -> new CurriculumReader(map).curriculum(name, text));
    }

    private Curriculum curriculum(String name, String text) {
        String description = file.text("description", "").strip();
        Curriculum.ModelSizes model = file.has("model") ? file.map("model").make(CurriculumReader::model) : null;
        StartingValues start = file.map("start").make(CurriculumReader::start);
        long seed = file.has("seed") ? file.longInteger("seed", 0, 1L << 53) : 42;
        readProbes();
        YamlMap defaults = file.map("defaults");
        List<Stage> stages = new ArrayList<>();
        List<YamlMap> list = file.list("stages");
        for (YamlMap stage : list) {
            int number = stages.size() + 1;
            stages.add(stage.over(defaults).make(map -> stage(map, number)));
        }
        return new Curriculum(name, description, model, start, seed, List.copyOf(probes.values()), stages, text);
    }

    private static Curriculum.ModelSizes model(YamlMap map) {
        int hiddenSize = map.integer("hidden_size", 1);
        Curriculum.ModelSizes sizes = new Curriculum.ModelSizes(
                hiddenSize,
                map.integer("num_layers", 1),
                map.integer("num_heads", 1),
                map.integer("intermediate_size", Math.multiplyExact(4, hiddenSize), 1),
                map.integer("num_mem_tokens", 10, 0),
                map.integer("input_length", 512, 1));
        sizes.config(1); // refuses sizes that do not go together
        return sizes;
    }

    private static StartingValues start(YamlMap map) {
        if (map.word("values", "bert", "bert", "look-back").equals("bert")) {
            return new StartingValues.Bert(map.number("deviation", 0.02));
        }
        LookBackValues otherwise = LookBackValues.defaults();
        return new StartingValues.LookBack(new LookBackValues(
                map.numbers("distances", otherwise.distances(), Double::intValue),
                map.number("gain", otherwise.gain()),
                map.numbers("frequencies", otherwise.frequencies(), value -> value),
                map.number("position_rms", otherwise.positionRms()),
                map.number("word_deviation", otherwise.wordDeviation()),
                map.number("linear", otherwise.linear()),
                map.number("classifier", otherwise.classifier()),
                map.number("same_token", otherwise.sameToken()),
                map.number("memory_scale", otherwise.memoryScale()),
                map.flag("local_positions", otherwise.localPositions())));
    }

    private void readProbes() {
        int firstOutput = 0;
        for (Map.Entry<String, YamlMap> entry : file.maps("probes").entrySet()) {
            int first = firstOutput;
            ProbeSpec probe = entry.getValue()
                    .make(map -> new ProbeSpec(
                            entry.getKey(),
                            map.word("rule", null, ProbeSpec.Rule.values()),
                            map.integer("layer", 0),
                            first));
            firstOutput += probe.rule().outputs();
            probes.put(entry.getKey(), probe);
        }
    }

    private Stage stage(YamlMap map, int number) {
        String name = map.text("name", "stage " + number);
        long steps = map.longInteger("steps", 1, Long.MAX_VALUE);
        YamlMap dropout = map.map("dropout");
        double hiddenDropout = dropout.number("hidden", 0);
        double attentionDropout = dropout.number("attention", 0);
        dropout.end();
        YamlMap carryOver = map.map("carry_over");
        TrainingStage.Start start = carryOver.word("weights", TrainingStage.Start.LAST, TrainingStage.Start.values());
        boolean optimizer = carryOver.flag("optimizer", false);
        carryOver.end();
        Stage stage = new Stage(
                name,
                data(map),
                map.map("probes").make(this::uses),
                steps,
                map.integer("accumulation", 1, 1),
                map.map("learning_rate").make(CurriculumReader::learningRate),
                map.map("optimizer").make(CurriculumReader::optimizer),
                hiddenDropout,
                attentionDropout,
                map.integer("bptt_depth", -1, -1),
                map.flag("recompute", true),
                map.map("until").make(CurriculumReader::criterion),
                map.map("validation").make(CurriculumReader::validation),
                optimizer ? TrainingStage.CarryOver.OPTIMIZER : TrainingStage.CarryOver.WEIGHTS,
                start);
        stage.training(NO_BATCHES, model -> Map.of()); // refuses now what is not possible
        return stage;
    }

    private static StageData data(YamlMap map) {
        boolean documents = map.has("documents");
        if (documents == map.has("samples")) {
            throw new IllegalArgumentException("A stage needs either \"documents\" or \"samples\", and not both.");
        }
        return documents
                ? map.map("documents").make(CurriculumReader::documents)
                : map.map("samples").make(CurriculumReader::samples);
    }

    private static SampleSettings samples(YamlMap map) {
        YamlMap tasks = map.map("tasks");
        double memorize = tasks.number("memorize", 0);
        double detect = tasks.number("detect", 0);
        double reason = tasks.number("reason", 0);
        tasks.end();
        return new SampleSettings(
                map.integer("segments", 1),
                map.flag("varied", false),
                map.integer("batch", 1),
                memorize,
                detect,
                reason,
                map.word("placement", Placement.ANY, Placement.values()),
                map.word("loss", SampleSettings.Loss.LAST, SampleSettings.Loss.values()));
    }

    private static TaskSettings documents(YamlMap map) {
        return new TaskSettings(
                map.integer("segments", 1),
                map.list("lengths").stream()
                        .map(length -> length.make(CurriculumReader::lengthClass))
                        .toList(),
                map.map("questions").make(CurriculumReader::questions),
                map.map("tasks").make(CurriculumReader::tasks),
                map.map("practice")
                        .make(practice -> new TaskSettings.Practice(
                                practice.number("one_relation", 0), practice.number("two_relations", 0))),
                map.number("together", 0.25),
                map.map("late")
                        .make(late -> new TaskSettings.Late(late.number("share", 0), late.integer("segments", 100, 1))),
                map.map("carry")
                        .make(carry -> new TaskSettings.Carry(
                                carry.number("probability", 0),
                                carry.integer("max_age", 1000, 1),
                                carry.integer("streams", 192, 1))),
                map.map("memory_noise")
                        .make(noise ->
                                new TaskSettings.MemoryNoise(noise.number("deviation", 0), noise.number("share", 0.7))),
                map.map("noise")
                        .make(noise -> new NoiseMix(
                                noise.number("triggers", 0),
                                noise.number("salad", 0),
                                noise.number("mixed", 0),
                                noise.number("near_facts", 0))));
    }

    private static TaskSettings.LengthClass lengthClass(YamlMap map) {
        int to = map.integer("to", 1);
        return new TaskSettings.LengthClass(
                map.number("share", 1), map.integer("batch", 1), map.integer("from", to, 1), to, map.number("full", 0));
    }

    private static TaskSettings.Questions questions(YamlMap map) {
        return new TaskSettings.Questions(
                map.integer("per_document", 2, 1),
                map.number("long", 0.3),
                map.integer("short_from", 24, 1),
                map.integer("short_to", 64, 1));
    }

    private static TaskSettings.Tasks tasks(YamlMap map) {
        return new TaskSettings.Tasks(
                map.number("memorize", 0),
                map.number("detect", 0),
                map.number("reason", 0),
                map.number("several", 0),
                map.integer("max_facts", 3, 2),
                map.number("relations", 0.5));
    }

    private List<ProbeSpec.Use> uses(YamlMap map) {
        List<ProbeSpec.Use> uses = new ArrayList<>();
        for (String name : map.keys()) {
            ProbeSpec probe = probes.get(name);
            if (probe == null) {
                throw map.unknown(name, List.copyOf(probes.keySet()));
            }
            uses.add(map.map(name)
                    .make(use -> new ProbeSpec.Use(probe, use.number("weight"), use.number("none_weight", 1))));
        }
        return uses;
    }

    private static LearningRate learningRate(YamlMap map) {
        return new LearningRate(
                map.number("peak"),
                map.number("floor", 0),
                map.has("warm_up") ? map.longInteger("warm_up", 0, Long.MAX_VALUE) : 0,
                map.number("decay_from", 1));
    }

    private static OptimizerSettings optimizer(YamlMap map) {
        OptimizerSettings otherwise = OptimizerSettings.usual();
        return new OptimizerSettings(
                map.number("beta1", otherwise.beta1()),
                map.number("beta2", otherwise.beta2()),
                map.number("epsilon", otherwise.epsilon()),
                map.number("weight_decay", otherwise.weightDecay()),
                map.flag("decay_everything", otherwise.decayEverything()),
                map.number("clip_value", otherwise.clipValue()),
                map.number("clip_norm", otherwise.clipNorm()),
                map.number("average", otherwise.averageDecay()),
                map.texts("frozen"));
    }

    private static Criterion criterion(YamlMap map) {
        int window = map.integer("window", Criterion.DEFAULT_WINDOW, 1);
        Map<String, Double> atLeast = new LinkedHashMap<>();
        for (String name : map.keys()) {
            if (!name.equals("window")) {
                double asked = map.number(name);
                if (!(asked >= 0 && asked <= 1)) {
                    throw map.wrong(name, "0 ... 1");
                }
                atLeast.put(name, asked);
            }
        }
        return new Criterion(window, atLeast);
    }

    private static ValidationSettings validation(YamlMap map) {
        int every = map.integer("every", 0, 0);
        Map<Integer, Integer> samples = new LinkedHashMap<>();
        YamlMap bySegments = map.map("samples");
        for (String segments : bySegments.keys()) {
            if (!segments.matches("[1-9][0-9]{0,8}")) {
                throw bySegments.wrong(segments, "named by a number of segments");
            }
            samples.put(Integer.valueOf(segments), bySegments.integer(segments, 1));
        }
        List<TaskKind> tasks = new ArrayList<>();
        for (TaskKind kind : TaskKind.values()) {
            if (!map.has("task") || map.word("task", null, TaskKind.values()) == kind) {
                tasks.add(kind);
            }
        }
        return new ValidationSettings(
                every,
                samples,
                tasks,
                map.word("placement", Placement.ANY, Placement.values()),
                map.integer("batch", 16, 1));
    }
}
