/**
 * Training: back-propagation through time over the segments of documents. Start at {@link dev.rmt.train.RmtTrainer}; what it
 * trains on is a {@link dev.rmt.train.TrainingData}.
 */
package dev.rmt.train;
