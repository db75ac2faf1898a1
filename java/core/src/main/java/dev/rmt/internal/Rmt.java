package dev.rmt.internal;

import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Const;
import org.bytedeco.javacpp.annotation.Name;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;

/**
 * The native methods: the functions of rmt.h, flattened by rmt_jni.h and rmt_jni_training.h. JavaCPP generates their JNI glue at build time;
 * its run-time library is not used. Handles are addresses, 0 for none; texts are NUL-terminated UTF-8. Nothing here
 * checks anything: only the classes whose names begin with "Native" may call it.
 */
@NoException
@Properties(
        @Platform(
                include = {"rmt_jni.h", "rmt_jni_training.h"},
                link = "rmt_static",
                compiler = "cpp17"))
final class Rmt {
    static final int ABI_VERSION = 4;

    static final int OK = 0;
    static final int INVALID_ARGUMENT = 1;
    static final int FAILED_PRECONDITION = 2;
    static final int OUT_OF_MEMORY = 3;
    static final int DEVICE = 4;
    static final int INTERNAL = 5;

    private Rmt() {}

    @Name("rmt_abi_version")
    static native int abiVersion();

    @Name("rmt_jni_version")
    static native void version(@Cast("char*") byte[] out, int size);

    @Name("rmt_jni_cpu_isas")
    static native void cpuIsas(@Cast("char*") byte[] out, int size);

    @Name("rmt_jni_device_create")
    static native int deviceCreate(
            int threads,
            @Cast("const char*") byte[] cpuIsa,
            @Cast("int64_t*") long[] device,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_device_create_cuda")
    static native int deviceCreateCuda(
            int index,
            int precision,
            @Cast("const char*") byte[] library,
            @Cast("const char*") byte[] cublas,
            @Cast("int64_t*") long[] device,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_cuda_info")
    static native int cudaInfo(
            @Cast("const char*") byte[] library,
            @Cast("char*") byte[] path,
            @Cast("char*") byte[] problem,
            @Cast("int64_t*") long[] numbers,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_device_info")
    static native int deviceInfo(
            @Cast("int64_t") long device,
            @Cast("char*") byte[] name,
            @Cast("char*") byte[] cpuIsa,
            @Cast("char*") byte[] gpuName,
            @Cast("char*") byte[] products,
            @Cast("char*") byte[] precision,
            @Cast("int64_t*") long[] numbers,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_device_operations")
    static native int deviceOperations(
            @Cast("int64_t") long device,
            @Cast("int64_t*") long[] operations,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_device_destroy")
    static native void deviceDestroy(@Cast("int64_t") long device);

    @Name("rmt_jni_model_required_bytes")
    static native int modelRequiredBytes(
            @Cast("int64_t") long device,
            @Const int[] shape,
            float layerNormEps,
            @Cast("int64_t*") long[] bytes,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_model_create")
    static native int modelCreate(
            @Cast("int64_t") long device,
            @Const int[] shape,
            float layerNormEps,
            @Cast("int64_t*") long[] model,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_model_num_parameters")
    static native int modelNumParameters(@Cast("int64_t") long model);

    @Name("rmt_jni_model_parameter_info")
    static native int modelParameterInfo(
            @Cast("int64_t") long model,
            int index,
            @Cast("char*") byte[] name,
            @Cast("int64_t*") long[] dims,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_model_set_parameter")
    static native int modelSetParameter(
            @Cast("int64_t") long model,
            int index,
            @Const float[] values,
            @Cast("int64_t") long offset,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_model_get_parameter")
    static native int modelGetParameter(
            @Cast("int64_t") long model,
            int index,
            float[] values,
            @Cast("int64_t") long offset,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_model_finish")
    static native int modelFinish(@Cast("int64_t") long model, @Cast("char*") byte[] error, int errorSize);

    @Name("rmt_jni_model_destroy")
    static native void modelDestroy(@Cast("int64_t") long model);

    @Name("rmt_jni_memory_required_bytes")
    static native int memoryRequiredBytes(
            @Cast("int64_t") long model,
            int numSlots,
            int maxBatchSize,
            int maxInputLength,
            @Cast("int64_t*") long[] bytes,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_memory_create")
    static native int memoryCreate(
            @Cast("int64_t") long model,
            int numSlots,
            int maxBatchSize,
            int maxInputLength,
            @Cast("int64_t*") long[] memory,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_memory_reset")
    static native int memoryReset(@Cast("int64_t") long memory, int slot, @Cast("char*") byte[] error, int errorSize);

    @Name("rmt_jni_memory_copy")
    static native int memoryCopy(
            @Cast("int64_t") long memory, int fromSlot, int toSlot, @Cast("char*") byte[] error, int errorSize);

    @Name("rmt_jni_memory_get")
    static native int memoryGet(
            @Cast("int64_t") long memory,
            int slot,
            int tensor,
            float[] values,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_memory_set")
    static native int memorySet(
            @Cast("int64_t") long memory,
            int slot,
            int tensor,
            @Const float[] values,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_memory_destroy")
    static native void memoryDestroy(@Cast("int64_t") long memory);

    @Name("rmt_jni_segment_forward")
    static native int segmentForward(
            @Cast("int64_t") long memory,
            int batchSize,
            int inputLength,
            @Const int[] ids,
            @Const int[] lengths,
            @Const int[] slots,
            @Const int[] readMemoryStart,
            @Const int[] writeMemoryStart,
            @Const int[] headPosition,
            int allRows,
            float[] logits,
            @Const int[] attentionLayers,
            int numAttentionLayers,
            float[] attention,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_required_bytes")
    static native int trainerRequiredBytes(
            @Cast("int64_t") long device,
            @Const int[] shape,
            float layerNormEps,
            @Cast("const int64_t*") long[] sizes,
            @Cast("int64_t*") long[] bytes,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_create")
    static native int trainerCreate(
            @Cast("int64_t") long device,
            @Const int[] shape,
            float layerNormEps,
            @Cast("const int64_t*") long[] sizes,
            @Cast("int64_t*") long[] trainer,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_num_parameters")
    static native int trainerNumParameters(@Cast("int64_t") long trainer);

    @Name("rmt_jni_trainer_parameter_info")
    static native int trainerParameterInfo(
            @Cast("int64_t") long trainer,
            int index,
            @Cast("char*") byte[] name,
            @Cast("int64_t*") long[] dims,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_set_values")
    static native int trainerSetValues(
            @Cast("int64_t") long trainer,
            int which,
            int index,
            @Const float[] values,
            @Cast("int64_t") long offset,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_get_values")
    static native int trainerGetValues(
            @Cast("int64_t") long trainer,
            int which,
            int index,
            float[] values,
            @Cast("int64_t") long offset,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_set_state")
    static native int trainerSetState(
            @Cast("int64_t") long trainer,
            int state,
            @Const float[] values,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_get_state")
    static native int trainerGetState(
            @Cast("int64_t") long trainer,
            int state,
            float[] values,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_set_state_gradient")
    static native int trainerSetStateGradient(
            @Cast("int64_t") long trainer,
            int state,
            @Const float[] values,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_get_state_gradient")
    static native int trainerGetStateGradient(
            @Cast("int64_t") long trainer,
            int state,
            float[] values,
            @Cast("int64_t") long count,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_clear_state_gradient")
    static native int trainerClearStateGradient(
            @Cast("int64_t") long trainer, int state, @Cast("char*") byte[] error, int errorSize);

    @Name("rmt_jni_trainer_run")
    static native int trainerRun(
            @Cast("int64_t") long trainer,
            int backward,
            int tape,
            int withLoss,
            int recompute,
            int batchSize,
            int inputLength,
            @Const int[] ids,
            @Const int[] lengths,
            @Const int[] readState,
            @Const int[] writeState,
            @Const int[] readMemoryStart,
            @Const int[] writeMemoryStart,
            @Const int[] headPosition,
            @Const int[] labels,
            @Const float[] labelWeights,
            @Const int[] probeRows,
            @Const float[] probeWeights,
            int numProbes,
            @Cast("const int64_t*") long[] dropoutKeys,
            float hiddenDropout,
            float attentionDropout,
            int allRows,
            double[] losses,
            float[] logits,
            double[] probeLosses,
            int[] probePredictions,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_step")
    static native int trainerStep(
            @Cast("int64_t") long trainer,
            @Const double[] rates,
            int decayEverything,
            double gradientScale,
            @Cast("int64_t") long step,
            double[] gradientNorm,
            @Cast("char*") byte[] error,
            int errorSize);

    @Name("rmt_jni_trainer_clear_gradients")
    static native int trainerClearGradients(@Cast("int64_t") long trainer, @Cast("char*") byte[] error, int errorSize);

    @Name("rmt_jni_trainer_destroy")
    static native void trainerDestroy(@Cast("int64_t") long trainer);
}
