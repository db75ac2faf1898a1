package dev.rmt.cli;

import dev.rmt.DeviceInfo;
import dev.rmt.ModelConfig;
import dev.rmt.RmtModel;
import dev.rmt.checkpoint.BuiltInModel;
import java.util.ArrayList;
import java.util.List;

/** The lines that say what runs, at the top of a command's output. */
final class Headers {
    private Headers() {}

    static List<String> of(RmtModel model, String name) {
        ModelConfig config = model.config();
        List<String> lines = new ArrayList<>();
        lines.add(device(model.deviceInfo()));
        lines.add("model      " + name + ": " + shape(config));
        if (!model.trained()) {
            lines.add("           It is UNTRAINED: its weights are random, so its answers are guesses"
                    + chance(config.numLabels()) + ".");
        }
        // Of the built-in model there is no more to say; of a directory, what was made up or ignored.
        if (!name.equals(BuiltInModel.NAME)) {
            model.notices().forEach(notice -> lines.add("           " + notice));
        }
        return lines;
    }

    /** What computes. */
    static String device(DeviceInfo device) {
        return "rmt " + Version.CURRENT + " on " + device.name() + " (" + device.isa() + ", " + threads(device) + ")";
    }

    static String shape(ModelConfig config) {
        return config.numLayers() + " layers of " + config.hiddenSize() + ", " + Text.count(config.vocabSize())
                + " pieces, segments of " + config.segmentSize() + " tokens, " + config.numMemTokens()
                + " memory tokens";
    }

    private static String threads(DeviceInfo device) {
        return device.threads() == 1 ? "1 thread" : device.threads() + " threads";
    }

    private static String chance(int labels) {
        return labels < 2 ? "" : String.format(" (accuracy is at chance, about %.0f %%)", 100.0 / labels);
    }
}
