package dev.rmt;

import dev.rmt.internal.SegmentBackend;
import dev.rmt.internal.SegmentBatch;
import dev.rmt.internal.SegmentWatch;
import java.util.Arrays;
import java.util.List;

/** Runs the segments of a session so that a watcher sees them. */
final class SegmentWatching implements SegmentWatch {
    private final RmtModel model;
    private final SegmentWatcher watcher;

    SegmentWatching(RmtModel model, SegmentWatcher watcher) {
        this.model = model;
        this.watcher = watcher;
    }

    @Override
    public Runnable run(SegmentBackend backend, SegmentBatch batch, long segment, float[] logits) {
        List<Integer> layers = watcher.layers(segment);
        check(layers);
        int slot = batch.slots()[0];
        float[] before = memory(backend, slot);
        float[] attention = null;
        if (layers.isEmpty()) {
            backend.forward(batch, logits);
        } else {
            attention = new float[size(layers.size(), batch.inputLength())];
            backend.forward(
                    batch, logits, layers.stream().mapToInt(Integer::intValue).toArray(), attention);
        }
        SegmentView view = new SegmentView(
                segment,
                logits != null,
                Arrays.copyOf(batch.ids(), batch.lengths()[0]),
                batch.readMemoryStart()[0],
                model.config(),
                layers,
                attention,
                batch.inputLength(),
                before,
                memory(backend, slot),
                model.tokenizer().vocabulary());
        return () -> watcher.segment(view);
    }

    private static float[] memory(SegmentBackend backend, int slot) {
        float[] values = new float[backend.memorySize()];
        backend.getMemory(slot, values);
        return values;
    }

    private void check(List<Integer> layers) {
        int previous = -1;
        for (int layer : layers) {
            if (layer < 0 || layer >= model.config().numLayers()) {
                throw new IllegalArgumentException("There is no layer " + layer + "; the layers are 0 to "
                        + (model.config().numLayers() - 1) + ".");
            }
            if (layer <= previous) {
                throw new IllegalArgumentException("The layers " + layers + " do not ascend.");
            }
            previous = layer;
        }
    }

    private int size(int layers, int inputLength) {
        long size = (long) layers * model.config().numHeads() * inputLength * inputLength;
        if (size > Integer.MAX_VALUE - Long.BYTES) {
            throw new IllegalArgumentException("The attention of " + layers + " layers has " + size
                    + " values, more than an array holds; look at fewer layers at once.");
        }
        return (int) size;
    }
}
