/*
 * rmt.h - the whole public C interface of librmt: a Recurrent Memory Transformer, one segment per call.
 *
 * librmt owns one segment (weights, activations and memory of a batch of documents); the caller owns the
 * recurrence (which segment of which document comes next, and what its memory starts from).
 *
 * Rules that hold for every function:
 *  - It returns an rmt_status. On anything but RMT_OK one sentence is written, NUL-terminated and cut to fit, into the
 *    buffer `error` of `error_size` bytes that the caller gave (NULL and 0: no text). Nothing is printed, nothing
 *    exits, no exception leaves the library.
 *  - A call refused before work starts leaves every object as it was.
 *  - Host buffers belong to the caller and are not kept. Tensors are row-major fp32; shapes stand behind the pointers.
 *  - Argument structs begin with `struct_size` = sizeof(the struct), so that fields can be added at the end.
 *  - Destroy functions take NULL. A device and a model are reference-counted by what is made from them: they may be
 *    destroyed in any order.
 *
 * Words and symbols: B batch_size, T input_length, M num_mem_tokens, H hidden_size, L num_layers, V vocab_size,
 * F intermediate_size, P max_positions.
 */
#ifndef RMT_RMT_H
#define RMT_RMT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RMT_API __attribute__((visibility("default")))
#else
#define RMT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a function or struct changes in a way that a caller compiled against the old header would notice. */
#define RMT_ABI_VERSION 4

typedef enum rmt_status {
  RMT_OK = 0,
  RMT_INVALID_ARGUMENT = 1,    /* an argument is wrong by itself or does not fit the object */
  RMT_FAILED_PRECONDITION = 2, /* the object is not in a state for this call (weights missing, memory failed, in use) */
  RMT_OUT_OF_MEMORY = 3,       /* the text names the bytes needed and available */
  RMT_DEVICE = 4,              /* the device is missing, unsupported, or failed */
  RMT_INTERNAL = 5             /* a bug in librmt */
} rmt_status;

typedef struct rmt_device rmt_device; /* a place to compute: the CPU with a pool of threads, or one GPU */
typedef struct rmt_model rmt_model;   /* weights; immutable once finished; shared by threads */
typedef struct rmt_memory rmt_memory; /* memory of a set of documents, workspace of a segment; one thread at a time */
typedef struct rmt_trainer
    rmt_trainer; /* weights being trained, optimizer state, memory states; one thread at a time */

/* ---- library ------------------------------------------------------------------------------------------------- */

/* RMT_ABI_VERSION of the library. */
RMT_API int32_t rmt_abi_version(void);

/* Version of the library, "0.1.0"; static storage. */
RMT_API const char *rmt_version(void);

/* Comma-separated names of the CPU instruction sets that this build holds and this processor can run, best first,
 * "reference" last: for example "avx512,avx2,portable,reference"; static storage. */
RMT_API const char *rmt_cpu_isas(void);

/* ---- device -------------------------------------------------------------------------------------------------- */

typedef struct rmt_device_options {
  size_t struct_size;
  int32_t threads;     /* threads that compute, the calling one included; 0: as many as the process may use
                          (affinity and cgroup quota) */
  const char *cpu_isa; /* one of rmt_cpu_isas(); NULL: the environment variable RMT_CPU_ISA, else the best */
} rmt_device_options;

typedef struct rmt_device_info {
  size_t struct_size;
  char name[32];    /* "cpu" | "cuda" */
  char cpu_isa[16]; /* the instruction set that runs: "avx512" | "avx2" | "portable" | "reference"; "" on a GPU */
  int32_t threads;  /* size of the pool, the calling thread included */
  int64_t available_bytes;    /* memory that could be taken now: free memory, cgroup limit; free memory of the GPU */
  int32_t index;              /* which GPU; -1: the CPU */
  int32_t compute_capability; /* of the GPU, 10 x major + minor; 0: the CPU */
  int64_t total_bytes;        /* memory of the GPU; 0: the CPU */
  char device_name[128];      /* of the GPU, as its driver calls it; "": the CPU */
  char products[160];         /* what computes matrix products: "own" | "cuBLAS 12.4 from /usr/lib/..." */
  char precision[8];          /* of matrix products: "fp32" | "tf32" | "bf16" */
} rmt_device_info;

/* Makes a CPU device. An unknown or unsupported instruction set is RMT_DEVICE and names the ones there are. */
RMT_API rmt_status rmt_device_create_cpu(const rmt_device_options *options, rmt_device **device, char *error,
                                         size_t error_size);
/* Precision of matrix products; everything that is kept is fp32. */
typedef enum rmt_precision {
  RMT_FP32 = 0,
  RMT_TF32 = 1, /* inputs cut to 10 bits behind the point; needs cuBLAS and a compute capability of 8.0 */
  RMT_BF16 = 2  /* inputs cut to 7 bits behind the point; needs cuBLAS and a compute capability of 8.0 */
} rmt_precision;

typedef struct rmt_cuda_options {
  size_t struct_size;
  int32_t index;       /* which GPU, from 0 */
  int32_t precision;   /* rmt_precision */
  const char *library; /* path of librmt_cuda; NULL: the environment variable RMT_CUDA_LIBRARY, else librmt_cuda.so
                          where the system finds it */
  const char *cublas; /* path of libcublas; NULL: where the system finds libcublas.so.13, .12 or .11, else own products;
                         "": own products */
} rmt_cuda_options;

typedef struct rmt_cuda_info {
  size_t struct_size;
  int32_t num_devices;
  int32_t driver_version;  /* the newest CUDA that the driver runs, 13000 = 13.0; 0: there is no driver */
  int32_t runtime_version; /* of the CUDA that librmt_cuda was built with; 0: the library does not load */
  char library[512];       /* path of librmt_cuda */
  char problem[512];       /* why no GPU can be used, in one sentence; "": one can */
} rmt_cuda_info;

/* Makes a device of a GPU. Where it cannot be used, RMT_DEVICE says why in one sentence: no library, no driver or one
 * that is too old, no GPU of that index, a compute capability that is too low, no cuBLAS where one was asked for. */
RMT_API rmt_status rmt_device_create_cuda(const rmt_cuda_options *options, rmt_device **device, char *error,
                                          size_t error_size);
/* What there is, usable or not; `library` as in rmt_cuda_options. */
RMT_API rmt_status rmt_cuda_get_info(const char *library, rmt_cuda_info *info, char *error, size_t error_size);
RMT_API rmt_status rmt_device_get_info(const rmt_device *device, rmt_device_info *info, char *error, size_t error_size);
/* Floating-point operations that rmt_segment_forward has spent on products on this device so far: a product and a sum
 * count 1 each, for the linears, for attention (scores and weighted values), for pooler and classifier, with the rows,
 * columns and keys that only fill up a tile; not for sums with biases and residuals, norms, GELU, softmax, embeddings.
 * Training is not counted, nor is the attention that an output asks for. -1: the device does not count (a GPU). Exact
 * while no call is running. */
RMT_API rmt_status rmt_device_get_operations(const rmt_device *device, int64_t *operations, char *error,
                                             size_t error_size);
RMT_API void rmt_device_destroy(rmt_device *device);

/* ---- model --------------------------------------------------------------------------------------------------- */

typedef enum rmt_architecture {
  RMT_BERT = 0 /* post-norm encoder: embeddings + LayerNorm, L layers (erf GELU), tanh pooler, linear classifier */
} rmt_architecture;

typedef struct rmt_model_config {
  size_t struct_size;
  int32_t architecture;      /* rmt_architecture */
  int32_t hidden_size;       /* H = num_heads x head_size */
  int32_t num_layers;        /* L */
  int32_t num_heads;         /* NH */
  int32_t intermediate_size; /* F */
  int32_t vocab_size;        /* V: rows of the word embeddings, memory rows not counted */
  int32_t max_positions;     /* P: rows of the position table; input_length <= P */
  int32_t type_vocab_size;   /* rows of the token-type table; row 0 is used */
  int32_t num_mem_tokens;    /* M >= 0; the initial memory is a parameter (M, H) of its own */
  int32_t num_labels;        /* outputs of the classifier; 0: neither pooler nor classifier */
  float layer_norm_eps;
} rmt_model_config;

/* One parameter. Names are those of Hugging Face BERT without the "bert." prefix
 * ("embeddings.word_embeddings.weight", "encoder.layer.0.attention.self.query.weight" ..., "pooler.dense.weight",
 * "classifier.weight"), and "memory" for the initial memory. Linear weights are (out, in). */
typedef struct rmt_parameter_info {
  size_t struct_size;
  char name[96];
  int32_t num_dims; /* 1 or 2 */
  int64_t dims[2];
} rmt_parameter_info;

/* Bytes that rmt_model_create will take on `device`. */
RMT_API rmt_status rmt_model_required_bytes(const rmt_device *device, const rmt_model_config *config, int64_t *bytes,
                                            char *error, size_t error_size);

/* Makes a model whose parameters are not set yet. Refuses with RMT_OUT_OF_MEMORY before allocating. */
RMT_API rmt_status rmt_model_create(rmt_device *device, const rmt_model_config *config, rmt_model **model, char *error,
                                    size_t error_size);
/* Parameters are numbered from 0; NULL has none. */
RMT_API int32_t rmt_model_num_parameters(const rmt_model *model);
RMT_API rmt_status rmt_model_get_parameter_info(const rmt_model *model, int32_t index, rmt_parameter_info *info,
                                                char *error, size_t error_size);

/* Writes `count` elements of a parameter, from element `offset` of its row-major order, so that a large tensor can come
 * in pieces. NaN or infinity is RMT_INVALID_ARGUMENT and names the tensor and the element. Refused on a
 * finished model. */
RMT_API rmt_status rmt_model_set_parameter(rmt_model *model, int32_t index, const float *values /* (count) */,
                                           int64_t offset, int64_t count, char *error, size_t error_size);
RMT_API rmt_status rmt_model_get_parameter(const rmt_model *model, int32_t index, float *values /* (count) */,
                                           int64_t offset, int64_t count, char *error, size_t error_size);

/* Freezes the model: from here on it is immutable and may be shared by threads. RMT_FAILED_PRECONDITION names a
 * parameter of which elements are missing. */
RMT_API rmt_status rmt_model_finish(rmt_model *model, char *error, size_t error_size);
RMT_API void rmt_model_destroy(rmt_model *model);

/* ---- memory -------------------------------------------------------------------------------------------------- */

typedef struct rmt_memory_options {
  size_t struct_size;
  int32_t num_slots;        /* documents whose memory is kept */
  int32_t max_batch_size;   /* documents in one segment call, <= num_slots */
  int32_t max_input_length; /* positions of one segment, <= P */
} rmt_memory_options;

/* One tensor of a slot. RMT over BERT keeps one: "memory_state", (M, H). */
typedef struct rmt_memory_tensor_info {
  size_t struct_size;
  char name[64];
  int32_t num_dims;
  int64_t dims[4];
} rmt_memory_tensor_info;

/* Bytes that rmt_memory_create will take: slots, their second copy, the workspace of one segment. They never grow. */
RMT_API rmt_status rmt_memory_required_bytes(const rmt_model *model, const rmt_memory_options *options, int64_t *bytes,
                                             char *error, size_t error_size);

/* Makes a memory; each slot starts from the model's initial memory. Refuses with RMT_OUT_OF_MEMORY before it
 * allocates. */
RMT_API rmt_status rmt_memory_create(rmt_model *model, const rmt_memory_options *options, rmt_memory **memory,
                                     char *error, size_t error_size);
/* Tensors of a slot are numbered from 0; without memory tokens, and for NULL, there are none. */
RMT_API int32_t rmt_memory_num_tensors(const rmt_memory *memory);
RMT_API rmt_status rmt_memory_get_tensor_info(const rmt_memory *memory, int32_t index, rmt_memory_tensor_info *info,
                                              char *error, size_t error_size);

/* Sets a slot to the model's initial memory; slot -1: all of them. Clears the state "failed". */
RMT_API rmt_status rmt_memory_reset(rmt_memory *memory, int32_t slot, char *error, size_t error_size);
/* Copies all tensors of a slot over those of another. */
RMT_API rmt_status rmt_memory_copy(rmt_memory *memory, int32_t from_slot, int32_t to_slot, char *error,
                                   size_t error_size);
/* Reads or writes one tensor of a slot, whole; `count` must be its number of elements. */
RMT_API rmt_status rmt_memory_get(rmt_memory *memory, int32_t slot, int32_t tensor, float *values, int64_t count,
                                  char *error, size_t error_size);
RMT_API rmt_status rmt_memory_set(rmt_memory *memory, int32_t slot, int32_t tensor, const float *values, int64_t count,
                                  char *error, size_t error_size);
RMT_API void rmt_memory_destroy(rmt_memory *memory);

/* ---- segment ------------------------------------------------------------------------------------------------- */

/* One segment of a batch of documents. The layout is data: librmt knows no [CLS] and no [SEP]. */
typedef struct rmt_segment {
  size_t struct_size;
  int32_t batch_size;                /* B: documents that take part */
  int32_t input_length;              /* T: row length of `ids` */
  const int32_t *ids;                /* (B, T); ids at memory positions and from lengths[b] on are not read */
  const int32_t *lengths;            /* (B): valid positions of each document, 1 ... T */
  const int32_t *slots;              /* (B): memory slot of each document, all different */
  const int32_t *read_memory_start;  /* (B): first position that takes the M memory rows; -1: none */
  const int32_t *write_memory_start; /* (B): first of the M positions whose last-layer output is the new memory;
                                        -1: the memory stays as it is */
  const int32_t *head_position;      /* (B): position that pooler and classifier read; -1: none, and zeros come out */
  int32_t causal;                    /* 1: a position sees itself and earlier ones; 0: all valid ones. RMT_BERT: 0 */
  int32_t all_rows;                  /* 1: compute every row of the last layer although nobody reads it (for checks) */
} rmt_segment;

/* What to read of a segment; NULL: not wanted. Asking for anything waits for the device. */
typedef struct rmt_segment_output {
  size_t struct_size;
  float *hidden;      /* (L+1, B, T, H): output of the embedding (0) and of each layer; all rows are computed then;
                         rows from lengths[b] on are zero */
  float *head_hidden; /* (B, H): last hidden state at head_position */
  float *pooled;      /* (B, H): pooler output */
  float *logits;      /* (B, num_labels) */
  float *attention;   /* (num_attention_layers, B, NH, T, T): how the positions of a document (rows) divide their
                         attention among its positions (columns) in the chosen layers. Every valid row is there, those
                         too that the last layer skips, and sums to 1; rows and columns from lengths[b] on are zero. It
                         is computed beside the segment, on the CPU and in double precision, from what enters the
                         layer: slowly, and no bit of anything else changes */
  const int32_t *attention_layers; /* (num_attention_layers): from 0, ascending, each once */
  int32_t num_attention_layers;
} rmt_segment_output;

/* Runs one segment and replaces the memory of the slots that take part. Where only memory and head rows of the last
 * layer are read, only they are computed; the bits are the same. `output` may be NULL. The bits of a document's result
 * depend neither on the number of threads nor on the other documents of the batch; with cuBLAS, which chooses by the
 * size of a product how to sum it, both may change the last bits. */
RMT_API rmt_status rmt_segment_forward(rmt_memory *memory, const rmt_segment *segment, rmt_segment_output *output,
                                       char *error, size_t error_size);

/* ---- training ------------------------------------------------------------------------------------------------ */

/* A trainer owns its weights, their gradients and the state of the optimizer; memory states, (M, H) each, with a
 * gradient beside each of them; and tapes, which keep the activations of a segment from its forward to its backward.
 * The caller walks over the segments, forwards and backwards, and says which states each of them reads and writes. */
typedef struct rmt_trainer_options {
  size_t struct_size;
  int32_t max_batch_size;    /* documents in one segment call */
  int32_t max_input_length;  /* positions of one segment, <= P */
  int64_t max_total_length;  /* sum of the lengths in one segment call; 0: max_batch_size x max_input_length */
  int32_t num_states;        /* memory states */
  int32_t num_tapes;         /* segments whose activations are kept at the same time, >= 1 */
  int32_t num_probe_outputs; /* outputs of all probes together: adds the parameters "probe.weight"
                                (num_probe_outputs, H) and "probe.bias"; 0: no probes */
  int32_t keep_average;      /* 1: an exponential moving average of the weights is kept */
} rmt_trainer_options;

/* What is kept for each element of a parameter. */
typedef enum rmt_values {
  RMT_WEIGHTS = 0,
  RMT_GRADIENTS = 1,
  RMT_FIRST_MOMENT = 2,
  RMT_SECOND_MOMENT = 3,
  RMT_AVERAGE = 4 /* refused where no average is kept */
} rmt_values;

/* Bytes that rmt_trainer_create will take on `device`. They never grow. */
RMT_API rmt_status rmt_trainer_required_bytes(const rmt_device *device, const rmt_model_config *config,
                                              const rmt_trainer_options *options, int64_t *bytes, char *error,
                                              size_t error_size);
/* Makes a trainer; everything is zero. Refuses with RMT_OUT_OF_MEMORY before allocating. */
RMT_API rmt_status rmt_trainer_create(rmt_device *device, const rmt_model_config *config,
                                      const rmt_trainer_options *options, rmt_trainer **trainer, char *error,
                                      size_t error_size);
/* Parameters are those of a model of this config in the same order, then those of the probes. */
RMT_API int32_t rmt_trainer_num_parameters(const rmt_trainer *trainer);
RMT_API rmt_status rmt_trainer_get_parameter_info(const rmt_trainer *trainer, int32_t index, rmt_parameter_info *info,
                                                  char *error, size_t error_size);
/* Writes or reads `count` elements from element `offset` of the row-major order. Values that are written must be
 * finite. */
RMT_API rmt_status rmt_trainer_set_values(rmt_trainer *trainer, int32_t which /* rmt_values */, int32_t index,
                                          const float *values /* (count) */, int64_t offset, int64_t count, char *error,
                                          size_t error_size);
RMT_API rmt_status rmt_trainer_get_values(rmt_trainer *trainer, int32_t which, int32_t index,
                                          float *values /* (count) */, int64_t offset, int64_t count, char *error,
                                          size_t error_size);

/* Memory states and their gradients, (M, H) each; `count` must be M x H. */
RMT_API rmt_status rmt_trainer_set_state(rmt_trainer *trainer, int32_t state, const float *values, int64_t count,
                                         char *error, size_t error_size);
RMT_API rmt_status rmt_trainer_get_state(rmt_trainer *trainer, int32_t state, float *values, int64_t count, char *error,
                                         size_t error_size);
RMT_API rmt_status rmt_trainer_set_state_gradient(rmt_trainer *trainer, int32_t state, const float *values,
                                                  int64_t count, char *error, size_t error_size);
RMT_API rmt_status rmt_trainer_get_state_gradient(rmt_trainer *trainer, int32_t state, float *values, int64_t count,
                                                  char *error, size_t error_size);
/* Sets the gradient of a state to zero; -1: of all of them. */
RMT_API rmt_status rmt_trainer_clear_state_gradient(rmt_trainer *trainer, int32_t state, char *error,
                                                    size_t error_size);

/* A linear classifier on one row of one level, for a loss that exists in training only. Its weights are rows
 * first_output ... first_output + num_outputs - 1 of "probe.weight". */
typedef struct rmt_probe_row {
  int32_t document; /* 0 ... B - 1 */
  int32_t level;    /* 0: output of the embedding, l: output of the l-th layer, L: the last one */
  int32_t position; /* within the document; at level L a memory or head position, unless all_rows */
  int32_t first_output;
  int32_t num_outputs;
  int32_t label; /* 0 ... num_outputs - 1 */
  float weight;  /* of its cross entropy in the loss, >= 0 */
} rmt_probe_row;

/* One segment of a batch of documents in training. */
typedef struct rmt_training_segment {
  size_t struct_size;
  int32_t batch_size;                /* B */
  int32_t input_length;              /* T: row length of `ids` */
  const int32_t *ids;                /* (B, T); as in rmt_segment */
  const int32_t *lengths;            /* (B) */
  const int32_t *read_state;         /* (B): state that is read; -1: the initial memory, which is a parameter. Several
                                        documents may read the same one */
  const int32_t *write_state;        /* (B): state that takes the new memory, all different and none of them read in the
                                        same call; -1: none */
  const int32_t *read_memory_start;  /* (B): as in rmt_segment */
  const int32_t *write_memory_start; /* (B): -1: none; then write_state is -1 too */
  const int32_t *head_position;      /* (B): position of pooler and classifier; -1: none */
  const int32_t *labels;             /* (B): class that is right; -1: no loss */
  const float *label_weights;        /* (B): weight of its cross entropy in the loss; NULL: all 1 */
  const rmt_probe_row *probes;       /* (num_probes), at most 4 x max_total_length */
  int32_t num_probes;
  const uint64_t *dropout_keys; /* (B): choose the dropout masks; NULL where nothing is dropped */
  float hidden_dropout;         /* probability: behind embedding, attention output, feed-forward output, pooler */
  float attention_dropout;      /* probability: attention weights */
  int32_t causal;               /* RMT_BERT: 0 */
  int32_t all_rows;             /* 1: compute every row of the last layer */
} rmt_training_segment;

/* What to read of a forward; NULL: not wanted. */
typedef struct rmt_training_output {
  size_t struct_size;
  double *losses;             /* (B): cross entropy of each document's label, not weighted; 0 where there is none */
  float *logits;              /* (B, num_labels); zero where there is no head position */
  double *probe_losses;       /* (num_probes): cross entropy, not weighted */
  int32_t *probe_predictions; /* (num_probes): the most probable class */
} rmt_training_output;

/* Runs a segment forward: writes states, and keeps on tape `tape` what its backward needs. `output` may be NULL. */
RMT_API rmt_status rmt_trainer_forward(rmt_trainer *trainer, int32_t tape, const rmt_training_segment *segment,
                                       rmt_training_output *output, char *error, size_t error_size);

/* Runs the backward of a segment: the gradients of its write states come in; the gradients of its read states (of the
 * parameter "memory" for -1) and of all parameters are added to. With `with_loss` 1 the segment's own losses (labels
 * and probes) contribute too. With `recompute` 1 the forward is run again first, on this tape, without writing states;
 * with 0 the tape must hold this segment's forward, which may be used by several backwards. The gradient is that of the
 * sum of weight x loss. */
RMT_API rmt_status rmt_trainer_backward(rmt_trainer *trainer, int32_t tape, const rmt_training_segment *segment,
                                        int32_t with_loss, int32_t recompute, char *error, size_t error_size);

/* One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101). */
typedef struct rmt_adamw {
  size_t struct_size;
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;      /* decoupled: w -= learning_rate x weight_decay x w */
  int32_t decay_everything; /* 0: biases and LayerNorm parameters are spared */
  double gradient_scale;    /* gradients are multiplied by this first */
  double clip_value;        /* then clipped element by element to [-clip_value, clip_value]; 0: not */
  double clip_norm;         /* then scaled to at most this global norm; 0: not */
  double average_decay;     /* average = average x average_decay + weights x (1 - average_decay) */
  int64_t step;             /* counted from 1 */
} rmt_adamw;

/* Takes a step and sets all gradients to zero. `gradient_norm` (may be NULL) takes the global norm of the scaled
 * gradient before clipping. Where that is not finite RMT_FAILED_PRECONDITION comes back and names a parameter; weights
 * and moments are as they were, gradients too. */
RMT_API rmt_status rmt_trainer_step(rmt_trainer *trainer, const rmt_adamw *options, double *gradient_norm, char *error,
                                    size_t error_size);
/* Sets all gradients of parameters to zero. */
RMT_API rmt_status rmt_trainer_clear_gradients(rmt_trainer *trainer, char *error, size_t error_size);
RMT_API void rmt_trainer_destroy(rmt_trainer *trainer);

#ifdef __cplusplus
}
#endif

#endif /* RMT_RMT_H */
