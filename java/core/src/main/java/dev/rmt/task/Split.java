package dev.rmt.task;

/** Which part of the generated {@link TaskKind#REASON} facts is drawn from; memorize and detect have no parts. */
public enum Split {
    TRAINING,
    VALIDATION
}
