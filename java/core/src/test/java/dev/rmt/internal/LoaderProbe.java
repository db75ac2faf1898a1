package dev.rmt.internal;

import dev.rmt.Memory;
import dev.rmt.RmtModel;
import dev.rmt.RmtSession;
import dev.rmt.TestModels;
import java.util.function.Supplier;

/** Reads with a model; run in class loaders of its own. The result is JDK types only, so that it can leave them. */
public final class LoaderProbe implements Supplier<String> {
    @Override
    public String get() {
        try (RmtModel model = TestModels.tiny();
                RmtSession session = model.newSession()) {
            session.read("abcdefgh ijklmnop ".repeat(20));
            Memory memory = session.memory();
            return memory.sha256() + " " + NativeLibrary.file();
        }
    }
}
