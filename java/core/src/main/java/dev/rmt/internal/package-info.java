/**
 * The binding to librmt and the loop over segments. Not exported. Only this package knows native code: {@link
 * dev.rmt.internal.Rmt} holds the native methods, {@link dev.rmt.internal.NativeLibrary} loads them, {@link
 * dev.rmt.internal.NativeMemory} is a {@link dev.rmt.internal.SegmentBackend}. The loops over segments ({@link
 * dev.rmt.internal.StreamRecurrence}, {@link dev.rmt.internal.BatchRecurrence}) know that interface only.
 */
package dev.rmt.internal;
