package dev.rmt.text;

import dev.rmt.ModelFormatException;
import java.io.IOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Pieces and their ids, 0 ... size - 1, and which of them are special. Immutable; shared by threads. */
public final class Vocabulary {
    private final List<String> pieces;
    private final Map<String, Integer> ids;
    private final SpecialTokens special;
    private final int padId;
    private final int unkId;
    private final int clsId;
    private final int sepId;
    private final int maskId;

    private Vocabulary(List<String> pieces, SpecialTokens special, String where) {
        this.pieces = List.copyOf(pieces);
        this.ids = new HashMap<>(2 * pieces.size());
        this.special = special;
        for (int id = 0; id < this.pieces.size(); id++) {
            String piece = this.pieces.get(id);
            checkPiece(piece, id, where);
            Integer first = ids.putIfAbsent(piece, id);
            if (first != null) {
                throw new ModelFormatException(where + " has the piece " + TokenizerFiles.quote(piece)
                        + " twice, as ids " + first + " and " + id + "; each piece must stand there once.");
            }
        }
        this.padId = required(special.pad(), "padding", where);
        this.unkId = required(special.unk(), "unknown", where);
        this.clsId = required(special.cls(), "classification", where);
        this.sepId = required(special.sep(), "separator", where);
        this.maskId = id(special.mask());
    }

    /** A vocabulary with BERT's special tokens; the index of a piece is its id. */
    public static Vocabulary of(List<String> pieces) {
        return of(pieces, SpecialTokens.bert());
    }

    /**
     * A vocabulary with other special tokens; the index of a piece is its id.
     *
     * @throws ModelFormatException if a piece is empty, stands there twice or holds a line break, or a special token
     *     other than the mask is missing
     */
    public static Vocabulary of(List<String> pieces, SpecialTokens special) {
        return new Vocabulary(pieces, special, "The vocabulary");
    }

    static Vocabulary of(List<String> pieces, SpecialTokens special, Path file) {
        return new Vocabulary(pieces, special, file.toString());
    }

    /**
     * Reads a {@code vocab.txt}: UTF-8, one piece a line (LF or CR LF), the line number from 0 is the id. BERT's
     * special tokens.
     */
    public static Vocabulary ofFile(Path vocabTxt) {
        return ofFile(vocabTxt, SpecialTokens.bert());
    }

    static Vocabulary ofFile(Path vocabTxt, SpecialTokens special) {
        String text = TokenizerFiles.readText(vocabTxt);
        List<String> pieces = new ArrayList<>();
        int start = 0;
        while (start < text.length()) {
            int newline = text.indexOf('\n', start);
            int end = newline < 0 ? text.length() : newline;
            boolean carriageReturn = end > start && text.charAt(end - 1) == '\r';
            pieces.add(text.substring(start, carriageReturn ? end - 1 : end));
            start = end + 1;
        }
        return of(pieces, special, vocabTxt);
    }

    /** Reads the vocabulary of a {@code tokenizer.json} of Hugging Face: its WordPiece model and its added tokens. */
    public static Vocabulary ofTokenizerJson(Path tokenizerJson) {
        return TokenizerJson.read(tokenizerJson, SpecialTokens.bert()).vocabulary();
    }

    public int size() {
        return pieces.size();
    }

    /**
     * The piece of an id.
     *
     * @throws IndexOutOfBoundsException if the id is not 0 ... size - 1
     */
    public String piece(int id) {
        return pieces.get(id);
    }

    /** The id of a piece, -1 if there is no such piece. */
    public int id(String piece) {
        return ids.getOrDefault(piece, -1);
    }

    /** All pieces by id. */
    public List<String> pieces() {
        return pieces;
    }

    public SpecialTokens special() {
        return special;
    }

    public int padId() {
        return padId;
    }

    public int unkId() {
        return unkId;
    }

    public int clsId() {
        return clsId;
    }

    public int sepId() {
        return sepId;
    }

    /** -1 if the vocabulary has no mask. */
    public int maskId() {
        return maskId;
    }

    /** Writes a {@code vocab.txt}; an existing file is replaced. */
    public void write(Path vocabTxt) throws IOException {
        try (Writer out = Files.newBufferedWriter(vocabTxt, StandardCharsets.UTF_8)) {
            for (String piece : pieces) {
                out.write(piece);
                out.write('\n');
            }
        }
    }

    private int required(String piece, String role, String where) {
        int id = id(piece);
        if (id < 0) {
            throw new ModelFormatException(where + " has " + size() + " pieces, but not the " + role + " token "
                    + TokenizerFiles.quote(piece) + "; add it, or name another in tokenizer_config.json.");
        }
        return id;
    }

    private static void checkPiece(String piece, int id, String where) {
        String wrong = null;
        if (piece.isEmpty()) {
            wrong = "is empty";
        } else if (piece.indexOf('\n') >= 0 || piece.indexOf('\r') >= 0) {
            wrong = "holds a line break";
        } else if (piece.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
            wrong = "holds half of a surrogate pair";
        }
        if (wrong != null) {
            throw new ModelFormatException(where + ": the piece of id " + id + " " + wrong
                    + "; every id needs a piece that fits into one line.");
        }
    }
}
