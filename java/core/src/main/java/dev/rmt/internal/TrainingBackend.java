package dev.rmt.internal;

import java.util.List;

/**
 * Weights being trained with their gradients and the state of the optimizer; memory states (M, H), each with a gradient;
 * tapes, which keep the activations of one segment call from its forward to its backward. All that the loop over segments
 * knows of a device. One thread at a time.
 */
public interface TrainingBackend extends AutoCloseable {
    /** What is kept for each element of a parameter. */
    enum Values {
        WEIGHTS,
        GRADIENTS,
        FIRST_MOMENT,
        SECOND_MOMENT,
        /** Moving average of the weights, where it is kept. */
        AVERAGE
    }

    /** The name of the initial memory among the parameters; absent where there are no memory tokens. */
    String MEMORY = "memory";

    /** Floats of one memory state: M x H. */
    int memorySize();

    /** Outputs of the classifier; 0: there is none. */
    int numLabels();

    int numStates();

    int numTapes();

    /** Documents that one call can hold. */
    int maxBatchSize();

    /** T: positions that one document can have in a call. */
    int maxInputLength();

    /** Sum of the lengths of the documents of one call. */
    long maxTotalLength();

    /** Bytes taken on the device; they never grow. */
    long bytes();

    /** Those of the model in its order, then "probe.weight" and "probe.bias" where there are probes. */
    List<NativeModel.Parameter> parameters();

    /** Writes {@code values[0 ... count - 1]} to elements {@code first ...} of a parameter, row-major. Finite values only. */
    void setValues(Values which, NativeModel.Parameter parameter, float[] values, long first, int count);

    /** Reads elements {@code first ... first + count - 1} of a parameter into the start of {@code values}. */
    void getValues(Values which, NativeModel.Parameter parameter, float[] values, long first, int count);

    /** @param values (M, H), copied */
    void setState(int state, float[] values);

    /** @param values (M, H), written */
    void getState(int state, float[] values);

    /** @param values (M, H), copied */
    void setStateGradient(int state, float[] values);

    /** @param values (M, H), written */
    void getStateGradient(int state, float[] values);

    /** Sets the gradient of a state to zero; -1: of all of them. */
    void clearStateGradient(int state);

    /** Runs a segment forward: writes its states, keeps on the tape what its backward needs, fills its outputs. */
    void forward(int tape, TrainingSegment segment);

    /**
     * Runs a segment backward: the gradients of the states that it wrote come in; those of the states that it read (of the
     * initial memory, where it read none) and of all parameters are added to.
     *
     * @param withLoss whether the segment's own losses contribute
     * @param recompute whether its forward is run again first on this tape; if not, the tape must hold it
     */
    void backward(int tape, TrainingSegment segment, boolean withLoss, boolean recompute);

    /**
     * Takes a step and sets all gradients to zero.
     *
     * @return the global norm of the scaled gradient before clipping
     * @throws NotFiniteException if that is not finite; weights and moments are as they were
     */
    double step(AdamW options);

    void clearGradients();

    /** Frees what the device holds; does nothing the second time. */
    @Override
    void close();
}
