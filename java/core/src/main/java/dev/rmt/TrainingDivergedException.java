package dev.rmt;

/** A loss or a gradient stopped being a finite number. What was learned before the step is kept in the last checkpoint. */
public final class TrainingDivergedException extends RmtException {
    private static final long serialVersionUID = 1L;

    private final String stage;
    private final long step;
    private final String what;

    /**
     * @param stage name of the stage
     * @param step step within the stage, counted from 0
     * @param what what was not finite: "the loss of segment 3", "the gradient of classifier.weight"
     */
    public TrainingDivergedException(String stage, long step, String what) {
        super("Training stopped at step " + step + " of stage \"" + stage + "\": " + what
                + " is not a finite number; go on from the last checkpoint with a smaller learning rate or a smaller clip"
                + " norm.");
        this.stage = stage;
        this.step = step;
        this.what = what;
    }

    /** Name of the stage. */
    public String stage() {
        return stage;
    }

    /** Step within the stage, counted from 0; it was not taken. */
    public long step() {
        return step;
    }

    /** What was not finite. */
    public String what() {
        return what;
    }
}
