package dev.rmt.checkpoint;

import dev.rmt.LoadOptions;
import dev.rmt.LoadOptions.MemoryRows;
import dev.rmt.ModelFormatException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Where the initial memory of a directory comes from, and which rows of the word embeddings are left for words.
 *
 * @param numMemTokens M
 * @param vocabSize V, rows of the word embeddings that are not memory
 * @param origin kind of place
 * @param tensor the tensor's name in the file, where the origin is TENSOR
 * @param notices what the user should know about the choice
 */
record MemoryRowsPlan(int numMemTokens, int vocabSize, Origin origin, String tensor, List<String> notices) {
    enum Origin {
        LAST_WORD_ROWS,
        TENSOR,
        NEW
    }

    private static final int DEFAULT_NUM_MEM_TOKENS = 10;

    /** @param pieces entries of the vocabulary */
    static MemoryRowsPlan of(Path configFile, BertConfig config, int pieces, LoadOptions options) {
        MemoryRowsPlan plan = config.rmt().isPresent()
                ? fromRmtObject(configFile, config, config.rmt().get(), options)
                : fromOptions(config, pieces, options);
        if (plan.vocabSize < 1 || pieces > plan.vocabSize) {
            String memory =
                    plan.vocabSize == config.wordRows() ? "" : ", the last " + plan.numMemTokens + " of them memory";
            throw new ModelFormatException("The vocabulary beside " + configFile + " has " + pieces
                    + " pieces but the word embeddings have " + config.wordRows() + " rows" + memory
                    + "; take the vocabulary and the number of memory tokens that belong to these weights.");
        }
        return plan;
    }

    private static MemoryRowsPlan fromRmtObject(
            Path configFile, BertConfig config, BertConfig.RmtObject rmt, LoadOptions options) {
        int count = rmt.numMemTokens();
        if (options.numMemTokens().isPresent() && options.numMemTokens().getAsInt() != count) {
            throw new ModelFormatException(configFile + " says rmt.num_mem_tokens " + count + " but "
                    + options.numMemTokens().getAsInt() + " memory tokens were asked for; leave that option out.");
        }
        List<String> notices = options.memoryRows() == MemoryRows.AUTO
                ? List.of()
                : List.of("The option for the memory rows, " + options.memoryRows()
                        + ", is not used: the \"rmt\" object of " + configFile + " says where they are.");
        if (rmt.memory().equals(BertConfig.WORD_EMBEDDINGS)) {
            return new MemoryRowsPlan(count, config.wordRows() - count, Origin.LAST_WORD_ROWS, null, notices);
        }
        return new MemoryRowsPlan(
                count, config.wordRows(), count == 0 ? Origin.NEW : Origin.TENSOR, rmt.memory(), notices);
    }

    private static MemoryRowsPlan fromOptions(BertConfig config, int pieces, LoadOptions options) {
        int rows = config.wordRows();
        int count = options.numMemTokens().orElse(DEFAULT_NUM_MEM_TOKENS);
        boolean last = options.memoryRows() == MemoryRows.LAST
                || (options.memoryRows() == MemoryRows.AUTO && (long) pieces + count == rows);
        String sizes = " (" + rows + " rows, " + pieces + " pieces in the vocabulary)";
        Optional<String> notice = Optional.empty();
        if (count > 0 && last) {
            notice = Optional.of(
                    "The last " + count + " rows of the word embeddings" + sizes + " are the initial memory.");
        } else if (count > 0) {
            notice = Optional.of("The initial memory, " + count + " rows, is new: made from seed " + options.seed()
                    + sizes + "; it is untrained.");
        }
        return new MemoryRowsPlan(
                count,
                last ? rows - count : rows,
                last ? Origin.LAST_WORD_ROWS : Origin.NEW,
                null,
                notice.stream().toList());
    }
}
