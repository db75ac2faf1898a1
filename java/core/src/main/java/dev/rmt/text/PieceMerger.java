package dev.rmt.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;

/**
 * Merges the most frequent pair of neighbouring pieces until a vocabulary is full. Counts are kept up to date word by
 * word: a merge costs as much as the words in which its pair occurs. Used once.
 */
final class PieceMerger {
    /** Two neighbouring pieces, how often they occur now, and the words in which they may occur. */
    private static final class Pair {
        final int left;
        final int right;
        long count;
        int[] words = new int[4];
        int numWords;

        Pair(long key) {
            left = (int) (key >>> 32);
            right = (int) key;
        }

        void addWord(int word) {
            // The pairs of a word are noted one after the other, so a word that is there already is the last one.
            if (numWords > 0 && words[numWords - 1] == word) {
                return;
            }
            if (numWords == words.length) {
                words = Arrays.copyOf(words, 2 * numWords);
            }
            words[numWords++] = word;
        }
    }

    /** A pair with the count that it had when it was queued: it may have become less since. */
    private record Candidate(Pair pair, long count) implements Comparable<Candidate> {
        @Override
        public int compareTo(Candidate other) {
            if (count != other.count) {
                return Long.compare(other.count, count);
            }
            return pair.left != other.pair.left
                    ? Integer.compare(pair.left, other.pair.left)
                    : Integer.compare(pair.right, other.pair.right);
        }
    }

    private static final int ALL = -1;
    private static final int NONE = -2;

    private final String prefix;
    private final List<String> pieces;
    private final Map<String, Integer> ids = new HashMap<>();

    /** Each word as ids of pieces, and how often it occurs. */
    private final List<int[]> words = new ArrayList<>();

    private final List<Long> counts = new ArrayList<>();
    private final Map<Long, Pair> pairs = new HashMap<>();
    private final PriorityQueue<Candidate> queue = new PriorityQueue<>();

    /** @param characterPieces the first pieces; all characters of the words must be among them */
    PieceMerger(List<String> characterPieces, String prefix) {
        this.prefix = prefix;
        this.pieces = new ArrayList<>(characterPieces);
        for (int id = 0; id < pieces.size(); id++) {
            ids.put(pieces.get(id), id);
        }
    }

    void addWord(String word, long count) {
        int[] codePoints = word.codePoints().toArray();
        int[] symbols = new int[codePoints.length];
        for (int i = 0; i < symbols.length; i++) {
            symbols[i] = ids.get((i == 0 ? "" : prefix) + Character.toString(codePoints[i]));
        }
        words.add(symbols);
        counts.add(count);
    }

    /** All pieces after as many merges as there is room for; fewer than {@code size} if no pair is frequent enough. */
    List<String> merge(int size, long minFrequency) {
        for (int word = 0; word < words.size(); word++) {
            countPairs(word, 1, ALL, null);
        }
        pairs.values().forEach(pair -> queue.add(new Candidate(pair, pair.count)));
        Set<Pair> grown = new HashSet<>();
        while (pieces.size() < size && !queue.isEmpty()) {
            Candidate best = queue.remove();
            Pair pair = best.pair;
            if (best.count != pair.count) {
                if (pair.count > 0) {
                    queue.add(new Candidate(pair, pair.count));
                }
                continue;
            }
            if (pair.count < minFrequency) {
                break;
            }
            int merged = mergedPiece(pair);
            grown.clear();
            for (int i = 0; i < pair.numWords; i++) {
                int word = pair.words[i];
                countPairs(word, -1, NONE, null);
                words.set(word, replace(words.get(word), pair, merged));
                // Only pairs with the merged piece can have become more frequent, or be new to the word.
                countPairs(word, 1, merged, grown);
            }
            grown.forEach(other -> queue.add(new Candidate(other, other.count)));
        }
        return pieces;
    }

    private int mergedPiece(Pair pair) {
        String right = pieces.get(pair.right);
        String piece = pieces.get(pair.left) + right.substring(prefix.length());
        // Two ways to the same piece: it is there already.
        Integer id = ids.putIfAbsent(piece, pieces.size());
        if (id != null) {
            return id;
        }
        pieces.add(piece);
        return pieces.size() - 1;
    }

    /**
     * Adds (sign 1) or takes away (-1) the pairs of a word.
     *
     * @param piece the word is noted in pairs with this piece, or in ALL or NONE
     * @param noted takes those pairs, if not null
     */
    private void countPairs(int word, int sign, int piece, Set<Pair> noted) {
        int[] symbols = words.get(word);
        long count = sign * counts.get(word);
        for (int i = 0; i + 1 < symbols.length; i++) {
            Pair pair = pairs.computeIfAbsent((long) symbols[i] << 32 | symbols[i + 1], Pair::new);
            pair.count += count;
            if (piece == ALL || symbols[i] == piece || symbols[i + 1] == piece) {
                pair.addWord(word);
                if (noted != null) {
                    noted.add(pair);
                }
            }
        }
    }

    private static int[] replace(int[] symbols, Pair pair, int merged) {
        int[] out = new int[symbols.length];
        int n = 0;
        for (int i = 0; i < symbols.length; i++) {
            if (i + 1 < symbols.length && symbols[i] == pair.left && symbols[i + 1] == pair.right) {
                out[n++] = merged;
                i++;
            } else {
                out[n++] = symbols[i];
            }
        }
        return Arrays.copyOf(out, n);
    }
}
