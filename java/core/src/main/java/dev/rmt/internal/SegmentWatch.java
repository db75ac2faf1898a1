package dev.rmt.internal;

/** Who runs the segments of a stream in order to look at them. */
public interface SegmentWatch {
    /**
     * Runs a segment of one document.
     *
     * @param segment its number in the document, from 0
     * @param logits (labels), written; null: the classifier does not read it
     * @return shows the segment; called once nothing is half done
     */
    Runnable run(SegmentBackend backend, SegmentBatch batch, long segment, float[] logits);
}
