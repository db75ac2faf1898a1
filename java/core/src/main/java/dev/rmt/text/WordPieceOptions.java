package dev.rmt.text;

/**
 * How a text becomes words and words become pieces; the fields of a Hugging Face BERT tokenizer.
 *
 * @param lowerCase whether letters are made lower case ({@code do_lower_case})
 * @param stripAccents whether accents are stripped ({@code strip_accents}); null: as {@code lowerCase}
 * @param chineseChars whether each Han ideograph is a word of its own ({@code tokenize_chinese_chars})
 * @param continuationPrefix what a piece that goes on with a word begins with
 * @param maxWordChars a word of more characters (code points after normalisation) is one unknown token, 1 ... 65535
 */
public record WordPieceOptions(
        boolean lowerCase, Boolean stripAccents, boolean chineseChars, String continuationPrefix, int maxWordChars) {
    static final String BERT_PREFIX = "##";
    static final int BERT_MAX_WORD_CHARS = 100;
    static final int MAX_MAX_WORD_CHARS = 65535;

    public WordPieceOptions {
        if (continuationPrefix == null) {
            throw new IllegalArgumentException("continuationPrefix is null; give the prefix of continuing pieces.");
        }
        if (maxWordChars < 1 || maxWordChars > MAX_MAX_WORD_CHARS) {
            throw new IllegalArgumentException(
                    "maxWordChars is " + maxWordChars + "; it must be 1 ... " + MAX_MAX_WORD_CHARS + ".");
        }
    }

    /** BERT's prefix "##" and longest word, 100. */
    public WordPieceOptions(boolean lowerCase, Boolean stripAccents, boolean chineseChars) {
        this(lowerCase, stripAccents, chineseChars, BERT_PREFIX, BERT_MAX_WORD_CHARS);
    }

    /** Those of an uncased BERT: what Hugging Face takes where a model says nothing. */
    public static WordPieceOptions defaults() {
        return new WordPieceOptions(true, null, true);
    }

    /** Whether accents are stripped, with null resolved. */
    public boolean stripsAccents() {
        return stripAccents != null ? stripAccents : lowerCase;
    }

    /** Written out, since the hash of a model is made of it: what a record says by itself may differ between JDKs. */
    @Override
    public String toString() {
        return "WordPieceOptions[lowerCase=" + lowerCase + ", stripAccents=" + stripAccents + ", chineseChars="
                + chineseChars + ", continuationPrefix=" + continuationPrefix + ", maxWordChars=" + maxWordChars + "]";
    }
}
