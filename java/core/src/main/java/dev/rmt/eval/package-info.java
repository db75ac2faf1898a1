/** How well a model remembers, how fast it reads, and in how much memory: {@link dev.rmt.eval.Evaluation}. */
package dev.rmt.eval;
