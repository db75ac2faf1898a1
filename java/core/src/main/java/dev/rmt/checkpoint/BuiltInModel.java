package dev.rmt.checkpoint;

import dev.rmt.LoadOptions;
import dev.rmt.RmtException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * The model that comes with the library: a small one, trained for the three memory tasks by the recipe "small". It lies in the
 * jar as the files of a Hugging Face directory; {@code provenance.json} says how it was made.
 */
public final class BuiltInModel {
    /** How results name it. */
    public static final String NAME = "built-in";

    private static final List<String> FILES =
            List.of("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "provenance.json");

    private BuiltInModel() {}

    /**
     * Writes its files into a folder, which must exist; files of these names are replaced.
     *
     * @throws IOException if that fails
     */
    public static void extract(Path directory) throws IOException {
        for (String file : FILES) {
            try (InputStream in = BuiltInModel.class.getResourceAsStream("/dev/rmt/model/" + file)) {
                if (in == null) {
                    throw new IOException("this build of rmt lacks " + file + " of the built-in model");
                }
                Files.copy(in, directory.resolve(file), StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    /**
     * Opens it for as long as {@code use} runs. Its files lie in a folder of their own meanwhile, below the folder for temporary
     * files.
     *
     * @throws RmtException if that folder cannot be written
     */
    public static <T> T open(Function<ModelDirectory, T> use) {
        List<Path> made = new ArrayList<>();
        try {
            Path folder = Files.createTempDirectory("rmt-model");
            made.add(folder);
            for (String file : FILES) {
                made.add(folder.resolve(file));
            }
            extract(folder);
            try (ModelDirectory directory = ModelDirectory.open(folder, LoadOptions.defaults())) {
                return use.apply(directory);
            }
        } catch (IOException e) {
            throw new RmtException(
                    "The built-in model cannot be unpacked into the folder for temporary files (" + e.getMessage()
                            + "); name another one with -Djava.io.tmpdir=DIR.",
                    e);
        } finally {
            for (int i = made.size() - 1; i >= 0; i--) {
                try {
                    Files.deleteIfExists(made.get(i));
                } catch (IOException e) {
                    // A leftover in the folder for temporary files is no reason to fail.
                }
            }
        }
    }
}
