package dev.rmt.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.rmt.Device;
import dev.rmt.DeviceInfo;
import dev.rmt.train.CsvLog;
import dev.rmt.train.CsvLogTable;
import dev.rmt.train.TrainingResult;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** What is written down of a run, so that it can be told later where a model comes from. */
final class TrainingRecord {
    private TrainingRecord() {}

    /**
     * @param settings what the run depends on
     * @param folder of the run, for its logs: a run that was resumed has stages that this process did not see
     */
    static ObjectNode of(Device device, Map<String, String> settings, TrainingResult result, Path folder)
            throws IOException {
        ObjectNode node = Json.object();
        node.put("version", Version.CURRENT);
        DeviceInfo info = device.info();
        node.put("device", info.name() + " (" + info.arithmetic() + ")");
        info.gpu().ifPresent(gpu -> node.put("gpu", gpu.model()));
        device.notice().ifPresent(reason -> node.put("device_notice", reason));
        node.put("threads", info.threads());
        node.put("processor", Machine.processor());
        node.put("system", Machine.look().system());
        node.put("java", System.getProperty("java.version"));
        settings.forEach((name, value) -> node.put(name.replace(' ', '_'), value));
        node.put("steps", result.steps());
        node.put("tokens", result.tokens());
        node.put("seconds", result.seconds());
        putStages(node.putArray("stages"), CsvLogTable.read(folder.resolve(CsvLog.TRAINING_FILE)));
        ObjectNode best = node.putObject("best_validation");
        result.bestFigures().forEach(best::put);
        return node;
    }

    /** The last row of each stage says how many steps it took. */
    private static void putStages(ArrayNode stages, CsvLogTable log) {
        ObjectNode stage = null;
        for (List<String> row : log.rows()) {
            int number = Integer.parseInt(row.get(log.column("stage")));
            if (stage == null || stage.get("stage").asInt() != number) {
                stage = stages.addObject();
                stage.put("stage", number);
                stage.put("name", row.get(log.column("stage_name")));
            }
            stage.put("steps", Long.parseLong(row.get(log.column("step"))));
        }
    }
}
