package dev.rmt.train;

import dev.rmt.task.TaskFact;
import dev.rmt.task.TrainingFacts;
import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** A training document that is under way: its facts, when they are told, how far it has come and what it remembers. */
final class TaskDocument {
    /** What a document is about, in the order of {@link TaskSettings.Tasks}. */
    enum Kind {
        MEMORIZE,
        DETECT,
        REASON,
        SEVERAL
    }

    final long serial;
    final Kind kind;
    final List<TaskFact> facts;
    /** By fact: the segment in which it is told, counted from the start of the document. */
    final long[] when;

    /** Segments that have been read. */
    int age;
    /** (M x H); null: the initial memory. */
    float[] memory;

    private TaskDocument(long serial, Kind kind, List<TaskFact> facts) {
        this.serial = serial;
        this.kind = kind;
        this.facts = facts;
        this.when = new long[facts.size()];
    }

    /** Draws a document; the same random numbers give the same one. */
    static TaskDocument draw(long serial, TaskSettings settings, SplittableRandom random) {
        Kind kind = kind(settings.tasks(), random);
        TaskDocument document = new TaskDocument(serial, kind, facts(kind, settings, random));
        if (kind != Kind.MEMORIZE) {
            document.schedule(settings, random);
        }
        return document;
    }

    private static Kind kind(TaskSettings.Tasks tasks, SplittableRandom random) {
        double drawn = random.nextDouble() * (tasks.memorize() + tasks.detect() + tasks.reason() + tasks.several());
        if ((drawn -= tasks.memorize()) < 0) {
            return Kind.MEMORIZE;
        }
        if ((drawn -= tasks.detect()) < 0) {
            return Kind.DETECT;
        }
        return drawn - tasks.reason() < 0 ? Kind.REASON : Kind.SEVERAL;
    }

    private static List<TaskFact> facts(Kind kind, TaskSettings settings, SplittableRandom random) {
        return switch (kind) {
            case MEMORIZE, DETECT -> List.of(TrainingFacts.person(random));
            case REASON -> {
                double drawn = random.nextDouble();
                TaskSettings.Practice practice = settings.practice();
                if (drawn < practice.oneRelation()) {
                    yield List.of(TrainingFacts.relation(random));
                }
                yield drawn < practice.oneRelation() + practice.twoRelations()
                        ? TrainingFacts.unrelated(random)
                        : TrainingFacts.story(random);
            }
            case SEVERAL -> {
                int count = 2 + random.nextInt(settings.tasks().maxFacts() - 1);
                yield random.nextDouble() < settings.tasks().relations()
                        ? TrainingFacts.relations(count, random)
                        : TrainingFacts.persons(count, random);
            }
        };
    }

    private void schedule(TaskSettings settings, SplittableRandom random) {
        boolean together = facts.size() == 2 && random.nextDouble() < settings.together();
        TaskSettings.Late late = settings.late();
        for (int i = 0; i < when.length; i++) {
            when[i] = random.nextDouble() < late.share()
                    ? (long) StrictMath.exp(random.nextDouble() * StrictMath.log(late.segments()))
                    : random.nextInt(settings.segments());
        }
        if (together) {
            when[1] = when[0];
        }
    }

    /** The facts told in one segment, by their index. */
    List<Integer> toldIn(long segment) {
        List<Integer> told = new ArrayList<>();
        for (int i = 0; i < when.length; i++) {
            if (when[i] == segment) {
                told.add(i);
            }
        }
        return told;
    }

    /** The facts told in the first {@code segments} segments. */
    List<TaskFact> toldBefore(long segments) {
        List<TaskFact> told = new ArrayList<>();
        for (int i = 0; i < when.length; i++) {
            if (when[i] < segments) {
                told.add(facts.get(i));
            }
        }
        return told;
    }

    /** Whether its only fact stands at the very start of the first segment. */
    boolean startsWithFact() {
        return kind == Kind.MEMORIZE;
    }

    /** Writes what {@link #draw} does not give again. */
    void save(DataOutput out) throws IOException {
        out.writeLong(serial);
        out.writeInt(age);
        for (long segment : when) {
            out.writeLong(segment);
        }
        out.writeInt(memory == null ? 0 : memory.length);
        if (memory != null) {
            for (float value : memory) {
                out.writeFloat(value);
            }
        }
    }

    /** Reads what {@link #save} wrote behind the serial into a document that was drawn again. */
    void restore(DataInput in, int memorySize) throws IOException {
        age = in.readInt();
        for (int i = 0; i < when.length; i++) {
            when[i] = in.readLong();
        }
        int size = in.readInt();
        if (age < 0 || (size != 0 && size != memorySize)) {
            throw new IOException(
                    "a document of age " + age + " has a memory of " + size + " numbers, not " + memorySize);
        }
        memory = size == 0 ? null : new float[size];
        for (int i = 0; i < size; i++) {
            memory[i] = in.readFloat();
        }
    }
}
