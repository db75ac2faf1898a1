package dev.rmt.text;

/**
 * The pieces of a vocabulary as two tries, of pieces that begin a word and of those that go on with one, for greedy
 * longest-match cutting. All edges are in one open-addressing table; a look-up touches one cache line as a rule.
 * Immutable; shared by threads.
 */
final class PieceTrie {
    private static final int FIRST = 0;
    private static final int CONTINUING = 1;

    /** A slot: parent node + 1 (0: free), code point, child node, id of the piece that ends at the child or -1. */
    private static final int SLOT = 4;

    private int[] table = new int[SLOT << 10];
    private int shift = 32 - 10;
    private int numEdges;

    PieceTrie(Vocabulary vocabulary, String continuationPrefix) {
        for (int id = 0; id < vocabulary.size(); id++) {
            String piece = vocabulary.piece(id);
            insert(FIRST, piece, 0, id);
            if (piece.startsWith(continuationPrefix)) {
                insert(CONTINUING, piece, continuationPrefix.length(), id);
            }
        }
    }

    /**
     * Cuts a word into pieces, the longest possible first.
     *
     * @param word code points, {@code length} of them
     * @param ids takes the ids, at most {@code length}
     * @return how many ids, or -1 if the word cannot be cut: it is unknown
     */
    int cut(int[] word, int length, int[] ids) {
        int numIds = 0;
        int start = 0;
        while (start < length) {
            int node = start == 0 ? FIRST : CONTINUING;
            int best = -1;
            int bestEnd = start;
            for (int i = start; i < length; i++) {
                int slot = slot(node, word[i]);
                if (table[slot] == 0) {
                    break;
                }
                node = table[slot + 2];
                if (table[slot + 3] >= 0) {
                    best = table[slot + 3];
                    bestEnd = i + 1;
                }
            }
            if (best < 0) {
                return -1;
            }
            ids[numIds++] = best;
            start = bestEnd;
        }
        return numIds;
    }

    private void insert(int root, String piece, int from, int id) {
        int node = root;
        for (int i = from; i < piece.length(); ) {
            int codePoint = piece.codePointAt(i);
            i += Character.charCount(codePoint);
            int slot = slot(node, codePoint);
            if (table[slot] == 0) {
                if (2 * SLOT * (numEdges + 1) > table.length) {
                    grow();
                    slot = slot(node, codePoint);
                }
                // The two roots are nodes 0 and 1; edge k leads to node k + 2.
                put(slot, node, codePoint, numEdges + 2, -1);
                numEdges++;
            }
            if (i == piece.length()) {
                table[slot + 3] = id;
            }
            node = table[slot + 2];
        }
    }

    private void put(int slot, int node, int codePoint, int child, int id) {
        table[slot] = node + 1;
        table[slot + 1] = codePoint;
        table[slot + 2] = child;
        table[slot + 3] = id;
    }

    /** Where the edge is, or the free slot where it belongs. The table is at most half full. */
    private int slot(int node, int codePoint) {
        int[] slots = table;
        int slot = ((((node * 0x9E3779B1) ^ (codePoint * 0x85EBCA6B)) * 0xC2B2AE35) >>> shift) * SLOT;
        while (slots[slot] != 0 && (slots[slot] != node + 1 || slots[slot + 1] != codePoint)) {
            slot = (slot + SLOT) & (slots.length - 1);
        }
        return slot;
    }

    private void grow() {
        int[] old = table;
        table = new int[2 * old.length];
        shift--;
        for (int i = 0; i < old.length; i += SLOT) {
            if (old[i] != 0) {
                put(slot(old[i] - 1, old[i + 1]), old[i] - 1, old[i + 1], old[i + 2], old[i + 3]);
            }
        }
    }
}
