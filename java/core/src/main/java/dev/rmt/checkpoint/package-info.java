/**
 * Models on disk: strict safetensors reading, Hugging Face BERT directories in, and directories that Python can read out.
 *
 * <p>Files are untrusted. Whatever is wrong with one ends in a {@link dev.rmt.ModelFormatException} of one sentence that
 * names the file, before anything of the size that the file claims is allocated. Weights are copied out of files in
 * pieces; nothing is memory-mapped, since a mapped file that shrinks kills the JVM.
 */
package dev.rmt.checkpoint;
