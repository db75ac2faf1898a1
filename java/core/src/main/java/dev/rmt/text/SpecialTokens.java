package dev.rmt.text;

import java.util.List;

/**
 * The pieces of a vocabulary that have a role. Text never becomes one of them, but unknown words become {@code unk}.
 */
public record SpecialTokens(String pad, String unk, String cls, String sep, String mask) {
    private static final SpecialTokens BERT = new SpecialTokens("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]");

    /** BERT's: [PAD], [UNK], [CLS], [SEP], [MASK]. */
    public static SpecialTokens bert() {
        return BERT;
    }

    /** In the order above, which is also that of ids in a vocabulary made by {@link WordPieceTrainer}. */
    public List<String> pieces() {
        return List.of(pad, unk, cls, sep, mask);
    }

    /** Written out, since the hash of a model is made of it: what a record says by itself may differ between JDKs. */
    @Override
    public String toString() {
        return "SpecialTokens[pad=" + pad + ", unk=" + unk + ", cls=" + cls + ", sep=" + sep + ", mask=" + mask + "]";
    }
}
