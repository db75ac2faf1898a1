/** Reads documents of any length in constant memory with a Recurrent Memory Transformer. Start at {@link dev.rmt.RmtModel}. */
@SuppressWarnings("module") // dev.rmt.cuda is built after this one
module dev.rmt {
    requires com.fasterxml.jackson.databind;
    requires com.fasterxml.jackson.dataformat.yaml;
    // Annotations for the build only: nothing of JavaCPP runs.
    requires static org.bytedeco.javacpp;

    exports dev.rmt;
    exports dev.rmt.checkpoint;
    exports dev.rmt.eval;
    exports dev.rmt.flops;
    exports dev.rmt.task;
    exports dev.rmt.text;
    exports dev.rmt.train;
    exports dev.rmt.internal to
            dev.rmt.cuda;

    // Whoever wants GPUs adds the artifact rmt-cuda.
    uses dev.rmt.internal.CudaProvider;
}
