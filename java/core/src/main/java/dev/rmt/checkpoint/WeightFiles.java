package dev.rmt.checkpoint;

import static dev.rmt.checkpoint.CheckedFiles.quote;

import com.fasterxml.jackson.databind.JsonNode;
import dev.rmt.ModelFormatException;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The safetensors files of a model directory, one or several with an index, and their tensors under canonical names:
 * without the prefix {@code bert.}, and with LayerNorm's {@code gamma} and {@code beta} as {@code weight} and {@code bias}.
 */
final class WeightFiles implements Closeable {
    /** A tensor and the file that holds it. */
    record Located(Safetensors file, TensorInfo tensor) {
        String describe() {
            return "tensor " + quote(tensor.name()) + " of " + file.file();
        }
    }

    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final int MAX_SHARDS = 1000;

    private final Path named;
    private final List<Safetensors> files = new ArrayList<>();
    private final Map<String, Located> byName = new LinkedHashMap<>();
    private final Map<String, Located> byCanonicalName = new LinkedHashMap<>();

    private WeightFiles(Path named) {
        this.named = named;
    }

    static WeightFiles open(Path directory) {
        boolean single = Files.exists(directory.resolve(SINGLE));
        Path named = directory.resolve(single ? SINGLE : INDEX);
        if (!single && !Files.exists(named)) {
            throw noWeights(directory);
        }
        WeightFiles weights = new WeightFiles(named);
        try {
            if (single) {
                weights.add(Safetensors.open(named));
            } else {
                weights.addShards(directory);
            }
            return weights;
        } catch (RuntimeException | Error e) {
            weights.close();
            throw e;
        }
    }

    /** The file that stands for all of them in messages: the weights or their index. */
    Path named() {
        return named;
    }

    /** All tensors by the name in the file. */
    Map<String, Located> byName() {
        return byName;
    }

    /** All tensors by canonical name. */
    Map<String, Located> byCanonicalName() {
        return byCanonicalName;
    }

    @Override
    public void close() {
        files.forEach(Safetensors::close);
    }

    static String canonicalName(String name) {
        String bare = name.startsWith("bert.") ? name.substring("bert.".length()) : name;
        if (bare.endsWith("LayerNorm.gamma")) {
            return bare.substring(0, bare.length() - "gamma".length()) + "weight";
        }
        if (bare.endsWith("LayerNorm.beta")) {
            return bare.substring(0, bare.length() - "beta".length()) + "bias";
        }
        return bare;
    }

    private static ModelFormatException noWeights(Path directory) {
        List<String> others = new ArrayList<>();
        for (String name :
                List.of("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack")) {
            if (Files.exists(directory.resolve(name))) {
                others.add(name);
            }
        }
        if (others.isEmpty()) {
            return new ModelFormatException(directory + " holds neither " + SINGLE + " nor " + INDEX
                    + "; give the folder of a Hugging Face BERT.");
        }
        return new ModelFormatException(directory + " holds " + String.join(", ", others) + " but no " + SINGLE
                + "; convert it to safetensors (in Python: model.save_pretrained(folder)).");
    }

    private void addShards(Path directory) {
        JsonNode weightMap = StrictJson.readObject(named).get("weight_map");
        if (weightMap == null || !weightMap.isObject() || weightMap.isEmpty()) {
            throw new ModelFormatException(named + " has no weight_map that says which file holds which tensor.");
        }
        Map<String, String> shardByTensor = new TreeMap<>();
        weightMap.properties().forEach(field -> {
            if (!field.getValue().isTextual()) {
                throw new ModelFormatException(
                        named + " names no file for tensor " + quote(field.getKey()) + "; a string is expected there.");
            }
            shardByTensor.put(field.getKey(), field.getValue().textValue());
        });
        List<String> shards =
                shardByTensor.values().stream().distinct().sorted().toList();
        if (shards.size() > MAX_SHARDS) {
            throw new ModelFormatException(
                    named + " names " + shards.size() + " files; at most " + MAX_SHARDS + " are allowed.");
        }
        // All names first: none is opened while another one leads out of the folder.
        List<Path> paths =
                shards.stream().map(shard -> shardPath(directory, shard)).toList();
        for (Path path : paths) {
            add(Safetensors.open(path));
        }
        shardByTensor.forEach((tensor, shard) -> {
            Located located = byName.get(tensor);
            if (located == null
                    || !located.file().file().getFileName().toString().equals(shard)) {
                throw new ModelFormatException(named + " says that " + shard + " holds tensor " + quote(tensor)
                        + ", which is not there; the index and the files do not belong together.");
            }
        });
    }

    /** The path of a shard, if its name is that of a file right in the folder. */
    private Path shardPath(Path directory, String shard) {
        boolean plain = !shard.isEmpty() && shard.length() <= 255 && !shard.equals(".") && !shard.equals("..");
        for (int i = 0; plain && i < shard.length(); i++) {
            char c = shard.charAt(i);
            plain = c != '/' && c != '\\' && c != ':' && !Character.isISOControl(c);
        }
        if (!plain) {
            throw new ModelFormatException(named + " names the file " + quote(shard)
                    + "; only names of files in the same folder are allowed.");
        }
        Path path = directory.resolve(shard);
        try {
            if (Files.exists(path) && !staysInside(directory, path)) {
                throw new ModelFormatException(named + " names the file " + quote(shard) + ", a link to "
                        + path.toRealPath() + " outside the folder; copy the file into the folder.");
            }
        } catch (IOException e) {
            throw CheckedFiles.unreadable(path, e);
        }
        return path;
    }

    /** Whether links lead to a file of the folder, or to the blobs of the Hugging Face cache that the folder belongs to. */
    private static boolean staysInside(Path directory, Path path) throws IOException {
        Path folder = directory.toRealPath();
        Path real = path.toRealPath();
        if (real.startsWith(folder)) {
            return true;
        }
        // The cache keeps <model>/snapshots/<revision>/<name> as links to <model>/blobs/<hash>.
        Path snapshots = folder.getParent();
        return snapshots != null
                && snapshots.endsWith("snapshots")
                && snapshots.getParent() != null
                && real.startsWith(snapshots.resolveSibling("blobs"));
    }

    private void add(Safetensors file) {
        files.add(file);
        for (TensorInfo tensor : file.tensors()) {
            Located located = new Located(file, tensor);
            Optional.ofNullable(byName.putIfAbsent(tensor.name(), located)).ifPresent(other -> {
                throw new ModelFormatException("Tensor " + quote(tensor.name()) + " is in both "
                        + other.file().file() + " and " + file.file() + "; remove one of them.");
            });
            Located other = byCanonicalName.putIfAbsent(canonicalName(tensor.name()), located);
            if (other != null) {
                throw new ModelFormatException(
                        named + ": tensors " + quote(other.tensor().name()) + " and "
                                + quote(tensor.name()) + " both mean " + quote(canonicalName(tensor.name()))
                                + "; remove one of them.");
            }
        }
    }
}
