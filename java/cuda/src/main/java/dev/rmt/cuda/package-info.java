/**
 * The artifact that brings GPUs. {@link dev.rmt.cuda.CudaArtifact} is found as a service by the library; only {@link
 * dev.rmt.cuda.Presets} knows the JavaCPP CUDA presets, and {@link dev.rmt.cuda.PresetsProbe} survives that they do not load.
 */
package dev.rmt.cuda;
