package dev.rmt.cli;

import dev.rmt.Device;
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
        lines.addAll(device(model.device(), model.deviceInfo()));
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

    /** What computes, and why it is not a GPU where that was left open. */
    static List<String> device(Device chosen, DeviceInfo info) {
        List<String> lines = new ArrayList<>();
        lines.add("rmt " + Version.CURRENT + " on " + device(info));
        chosen.notice()
                .ifPresent(reason -> lines.add("           no GPU: " + reason.replace("CUDA cannot be used: ", "")));
        return lines;
    }

    /** "cpu (avx512, 2 threads)", "cuda:0 (NVIDIA ..., fp32, products own)". */
    static String device(DeviceInfo info) {
        return info.gpu()
                .map(gpu -> info.name() + ":" + gpu.index() + " (" + gpu.model() + ", " + info.arithmetic() + ")")
                .orElse(info.name() + " (" + info.isa() + ", " + threads(info) + ")");
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
