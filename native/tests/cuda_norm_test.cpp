// cuda_norm_test.cpp - the CUDA embedding, LayerNorm and its backward, and dropout of rows, against plain loops.
#include <vector>

#include "cuda_batch.h"
#include "cuda_fixture.h"
#include "cuda_numbers.h"
#include "kernels/cuda/operations.h"
#include "kernels/dropout.h"

namespace {

using rmt::cuda::Mask;
using test::ChosenRows;
using test::Comparison;
using test::DeviceBuffer;
using test::DeviceDocuments;
using test::DeviceRows;
using test::HostDocuments;
using test::random_values;

// One for each way to hold a row in registers, and some that are not held: odd ones and large ones.
const std::vector<int32_t> kHiddenSizes = {1, 6, 48, 128, 132, 255, 384, 512, 768, 1024, 1028};
const std::vector<int32_t> kLengths = {1, 2, 31, 14, 33};
constexpr int32_t kStride = 33;
constexpr int32_t kVocab = 50;
constexpr int32_t kMem = 4;
constexpr float kEps = 1e-12f;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Mask mask_of(float probability) {
  return {rmt::DropoutSite::kOutput + (3 << rmt::DropoutSite::kLayerShift), rmt::dropout_threshold(probability),
          1.0f / (1.0f - probability)};
}

// Whether an element is dropped, by the definition in kernels/dropout.h.
float factor(const Mask &mask, uint64_t key, int32_t position, int32_t column) {
  if (mask.threshold == 0) return 1.0f;
  const uint32_t row = rmt::dropout_row(key, mask.site, static_cast<uint32_t>(position));
  return rmt::dropout_mix(row + static_cast<uint32_t>(column)) >= mask.threshold ? mask.kept_scale : 0.0f;
}

struct NormParameters {
  std::vector<float> weight;
  std::vector<float> bias;
  explicit NormParameters(int32_t hidden_size)
      : weight(random_values(hidden_size, 11)), bias(random_values(hidden_size, 12)) {
    for (float &value : weight) value += 1.5f;
  }
};

// A row's LayerNorm; `normalized` has what a backward needs, its last element being the scale.
template <typename Real>
std::vector<Real> plain_norm(std::vector<Real> x, const NormParameters &norm, std::vector<Real> *tape) {
  const Real size = static_cast<Real>(x.size());
  Real mean = 0;
  for (const Real value : x) mean += value;
  mean /= size;
  Real squares = 0;
  for (const Real value : x) squares += (value - mean) * (value - mean);
  const Real scale = 1 / std::sqrt(squares / size + static_cast<Real>(kEps));
  for (size_t h = 0; h < x.size(); ++h) {
    x[h] = (x[h] - mean) * scale;
    if (tape != nullptr) tape->push_back(x[h]);
    x[h] = x[h] * norm.weight[h] + norm.bias[h];
  }
  if (tape != nullptr) tape->push_back(scale);
  return x;
}

template <typename Real>
void append(std::vector<Real> &all, const std::vector<Real> &row) {
  all.insert(all.end(), row.begin(), row.end());
}

// The tape of a kernel in the order of plain_norm().
std::vector<float> tape_of(const std::vector<float> &normalized, const std::vector<float> &scale) {
  const size_t hidden_size = normalized.size() / scale.size();
  std::vector<float> tape;
  for (size_t r = 0; r < scale.size(); ++r) {
    tape.insert(tape.end(), normalized.begin() + r * hidden_size, normalized.begin() + (r + 1) * hidden_size);
    tape.push_back(scale[r]);
  }
  return tape;
}

std::string name_of(int32_t hidden_size, float dropout) {
  return "H " + test::show(hidden_size) + ", dropout " + test::show(dropout);
}

// ---- embedding ----

struct Tables {
  std::vector<float> word;
  std::vector<float> position;
  std::vector<float> type;
  NormParameters norm;
  explicit Tables(int32_t hidden_size)
      : word(random_values(int64_t{kVocab} * hidden_size, 1)),
        position(random_values(int64_t{kStride} * hidden_size, 2)),
        type(random_values(hidden_size, 3)),
        norm(hidden_size) {}
};

template <typename Real>
std::vector<Real> plain_embed(const HostDocuments &documents, int32_t hidden_size, const Tables &tables,
                              const Mask &mask, std::vector<Real> *tape) {
  std::vector<Real> x;
  for (size_t b = 0; b < documents.lengths.size(); ++b) {
    for (int32_t t = 0; t < documents.stride; ++t) {
      std::vector<Real> row(hidden_size);
      if (t >= documents.lengths[b]) {
        append(x, row);
        row.push_back(0);
        append(*tape, row);
        continue;
      }
      const int32_t m = t - documents.read_start[b];
      const bool is_memory = documents.read_start[b] >= 0 && m >= 0 && m < kMem;
      const float *word = is_memory ? documents.memory[b].data() + m * hidden_size
                                    : tables.word.data() + documents.ids[b * documents.stride + t] * hidden_size;
      for (int32_t h = 0; h < hidden_size; ++h) {
        row[h] = static_cast<Real>(word[h]) + tables.position[t * hidden_size + h] + tables.type[h];
      }
      row = plain_norm(row, tables.norm, tape);
      for (int32_t h = 0; h < hidden_size; ++h) row[h] *= factor(mask, documents.keys[b], t, h);
      append(x, row);
    }
  }
  return x;
}

struct Embedded {
  std::vector<float> x;
  std::vector<float> tape;
};

Embedded embed(const HostDocuments &host, int32_t hidden_size, const Tables &tables, const Mask &mask, bool with_tape) {
  const DeviceDocuments documents(host);
  const DeviceBuffer<float> word(tables.word);
  const DeviceBuffer<float> position(tables.position);
  const DeviceBuffer<float> type(tables.type);
  const DeviceBuffer<float> weight(tables.norm.weight);
  const DeviceBuffer<float> bias(tables.norm.bias);
  DeviceBuffer<float> normalized(host.rows() * hidden_size);
  DeviceBuffer<float> scale(host.rows());
  DeviceBuffer<float> x(host.rows() * hidden_size);
  const rmt::cuda::NormTape tape = {with_tape ? normalized.data() : nullptr, with_tape ? scale.data() : nullptr};
  rmt::cuda::embed(nullptr, documents.get(), hidden_size, kMem, word.data(), position.data(), type.data(),
                   {weight.data(), bias.data(), kEps}, mask, tape, x.data());
  return {x.download(), tape_of(normalized.download(), scale.download())};
}

TEST("the embedding, memory rows in place, and what it keeps are those of plain loops") {
  Comparison values("embedding");
  Comparison tapes("embedding's tape");
  for (const int32_t hidden_size : kHiddenSizes) {
    for (const float dropout : {0.0f, 0.25f}) {
      const HostDocuments documents({0, 1, 2, 3, 4}, kLengths, kStride, kVocab, kMem, hidden_size);
      const Tables tables(hidden_size);
      const Embedded actual = embed(documents, hidden_size, tables, mask_of(dropout), true);
      std::vector<float> naive_tape;
      std::vector<double> expected_tape;
      const auto naive = plain_embed(documents, hidden_size, tables, mask_of(dropout), &naive_tape);
      const auto expected = plain_embed(documents, hidden_size, tables, mask_of(dropout), &expected_tape);
      values.add(name_of(hidden_size, dropout), actual.x, naive, expected);
      if (hidden_size > 1) tapes.add(name_of(hidden_size, dropout), actual.tape, naive_tape, expected_tape);
      CHECK(test::same_bits(embed(documents, hidden_size, tables, mask_of(dropout), false).x, actual.x));
    }
  }
  values.check();
  tapes.check();
}

TEST("a document's embedding has the same bits whatever documents are beside it") {
  for (const int32_t hidden_size : {6, 128}) {
    const Tables tables(hidden_size);
    const Mask mask = mask_of(0.25f);
    const HostDocuments all({0, 1, 2, 3, 4}, kLengths, kStride, kVocab, kMem, hidden_size);
    const Embedded together = embed(all, hidden_size, tables, mask, true);
    for (int32_t b = 0; b < 5; ++b) {
      const HostDocuments one({b}, {kLengths[b]}, kStride, kVocab, kMem, hidden_size);
      const Embedded alone = embed(one, hidden_size, tables, mask, true);
      CHECK(test::same_bits(alone.x.data(), together.x.data() + b * kStride * hidden_size, alone.x.size()));
    }
  }
}

// ---- residual and LayerNorm ----

// Rows without a row hold NaN on entry.
std::vector<float> compact_values(const ChosenRows &chosen, int32_t hidden_size, uint64_t stream) {
  std::vector<float> values = random_values(chosen.count() * hidden_size, stream);
  for (int64_t i = 0; i < chosen.count(); ++i) {
    for (int32_t h = 0; h < hidden_size && chosen.rows[i] < 0; ++h) values[i * hidden_size + h] = kNan;
  }
  return values;
}

struct Compact {
  HostDocuments documents = HostDocuments({0, 1, 2, 3, 4}, kLengths, kStride);
  ChosenRows chosen = ChosenRows::some(kLengths, kStride);
  std::vector<float> residual;
  std::vector<float> in;
  explicit Compact(int32_t hidden_size)
      : residual(compact_values(chosen, hidden_size, 5)), in(compact_values(chosen, hidden_size, 6)) {}

  float factor_of(const Mask &mask, int64_t i, int32_t h) const {
    const int32_t row = chosen.rows[i];
    return factor(mask, documents.keys[row / kStride], row % kStride, h);
  }
};

template <typename Real>
std::vector<Real> plain_add_norm(const Compact &compact, int32_t hidden_size, const NormParameters &norm,
                                 const Mask &mask, std::vector<Real> *tape) {
  std::vector<Real> out;
  for (int64_t i = 0; i < compact.chosen.count(); ++i) {
    std::vector<Real> row(hidden_size);
    if (compact.chosen.rows[i] < 0) {
      append(out, row);
      row.push_back(0);
      append(*tape, row);
      continue;
    }
    for (int32_t h = 0; h < hidden_size; ++h) {
      const int64_t place = i * hidden_size + h;
      row[h] = static_cast<Real>(compact.in[place]) * compact.factor_of(mask, i, h) + compact.residual[place];
    }
    append(out, plain_norm(row, norm, tape));
  }
  return out;
}

enum class Place { kElsewhere, kOverResidual, kOverIn };

Embedded add_norm(const Compact &compact, int32_t hidden_size, const NormParameters &norm, const Mask &mask,
                  Place place) {
  const DeviceDocuments documents(compact.documents);
  const DeviceRows rows(compact.chosen);
  DeviceBuffer<float> residual(compact.residual);
  DeviceBuffer<float> in(compact.in);
  const DeviceBuffer<float> weight(norm.weight);
  const DeviceBuffer<float> bias(norm.bias);
  DeviceBuffer<float> normalized(compact.in.size());
  DeviceBuffer<float> scale(compact.chosen.rows.size());
  DeviceBuffer<float> elsewhere(compact.in.size());
  DeviceBuffer<float> &out = place == Place::kElsewhere ? elsewhere : place == Place::kOverIn ? in : residual;
  rmt::cuda::add_norm(nullptr, documents.get(), rows.get(), hidden_size, residual.data(), in.data(),
                      {weight.data(), bias.data(), kEps}, mask, {normalized.data(), scale.data()}, out.data());
  return {out.download(), tape_of(normalized.download(), scale.download())};
}

TEST("LayerNorm behind a residual connection, with gaps among the rows, is that of plain loops") {
  Comparison values("residual and LayerNorm");
  Comparison tapes("its tape");
  for (const int32_t hidden_size : kHiddenSizes) {
    for (const float dropout : {0.0f, 0.25f}) {
      const Compact compact(hidden_size);
      const NormParameters norm(hidden_size);
      const Mask mask = mask_of(dropout);
      const Embedded actual = add_norm(compact, hidden_size, norm, mask, Place::kElsewhere);
      std::vector<float> naive_tape;
      std::vector<double> expected_tape;
      const auto naive = plain_add_norm(compact, hidden_size, norm, mask, &naive_tape);
      const auto expected = plain_add_norm(compact, hidden_size, norm, mask, &expected_tape);
      values.add(name_of(hidden_size, dropout), actual.x, naive, expected);
      if (hidden_size > 1) tapes.add(name_of(hidden_size, dropout), actual.tape, naive_tape, expected_tape);
      for (const Place place : {Place::kOverResidual, Place::kOverIn}) {
        CHECK_THAT(test::same_bits(add_norm(compact, hidden_size, norm, mask, place).x, actual.x),
                   name_of(hidden_size, dropout));
      }
    }
  }
  values.check();
  tapes.check();
}

TEST("LayerNorm keeps its digits far from zero") {
  Comparison comparison("LayerNorm around 1000");
  for (const int32_t hidden_size : {255, 768}) {
    Compact compact(hidden_size);
    for (float &value : compact.residual) value += 1000;
    const NormParameters norm(hidden_size);
    std::vector<float> naive_tape;
    std::vector<double> expected_tape;
    comparison.add(name_of(hidden_size, 0), add_norm(compact, hidden_size, norm, mask_of(0), Place::kElsewhere).x,
                   plain_add_norm(compact, hidden_size, norm, mask_of(0), &naive_tape),
                   plain_add_norm(compact, hidden_size, norm, mask_of(0), &expected_tape));
  }
  comparison.check();
}

// ---- dropout ----

TEST("rows are dropped as dropout.h says") {
  for (const int32_t hidden_size : kHiddenSizes) {
    for (const float dropout : {0.0f, 0.25f}) {
      const Compact compact(hidden_size);
      const Mask mask = mask_of(dropout);
      const DeviceDocuments documents(compact.documents);
      const DeviceRows rows(compact.chosen);
      const DeviceBuffer<float> in(compact.in);
      DeviceBuffer<float> out(compact.in.size());
      rmt::cuda::drop(nullptr, documents.get(), rows.get(), hidden_size, mask, in.data(), out.data());
      const std::vector<float> actual = out.download();
      for (int64_t i = 0; i < compact.chosen.count(); ++i) {
        for (int32_t h = 0; h < hidden_size; ++h) {
          const int64_t place = i * hidden_size + h;
          const float expected = compact.chosen.rows[i] < 0 ? 0.0f : compact.in[place] * compact.factor_of(mask, i, h);
          CHECK_EQUAL(actual[place], expected);
        }
      }
    }
  }
}

// ---- backward ----

// dx, and the gradients that it adds to.
template <typename Real>
struct NormGradients {
  std::vector<Real> dx;
  std::vector<Real> dweight;
  std::vector<Real> dbias;
};

struct BackwardInputs {
  int64_t rows;
  std::vector<float> weight;
  std::vector<float> normalized;
  std::vector<float> scale;
  std::vector<float> dy;
  std::vector<float> dweight;
  std::vector<float> dbias;

  BackwardInputs(int64_t of_rows, int32_t hidden_size)
      : rows(of_rows),
        weight(NormParameters(hidden_size).weight),
        normalized(random_values(rows * hidden_size, 1, 1.7f)),
        scale(random_values(rows, 2)),
        dy(random_values(rows * hidden_size, 3)),
        dweight(random_values(hidden_size, 4)),
        dbias(random_values(hidden_size, 5)) {
    for (float &value : scale) value += 1.5f;
  }
};

template <typename Real>
NormGradients<Real> plain_norm_backward(const BackwardInputs &in, int32_t hidden_size) {
  NormGradients<Real> result{
      {in.dy.begin(), in.dy.end()}, {in.dweight.begin(), in.dweight.end()}, {in.dbias.begin(), in.dbias.end()}};
  for (int64_t r = 0; r < in.rows; ++r) {
    Real *dx = result.dx.data() + r * hidden_size;
    const float *normalized = in.normalized.data() + r * hidden_size;
    Real mean = 0;
    Real mean_of_product = 0;
    for (int32_t h = 0; h < hidden_size; ++h) {
      result.dweight[h] += dx[h] * normalized[h];
      result.dbias[h] += dx[h];
      dx[h] *= in.weight[h];
      mean += dx[h];
      mean_of_product += dx[h] * normalized[h];
    }
    mean /= hidden_size;
    mean_of_product /= hidden_size;
    for (int32_t h = 0; h < hidden_size; ++h) {
      dx[h] = in.scale[r] * (dx[h] - mean - normalized[h] * mean_of_product);
    }
  }
  return result;
}

NormGradients<float> norm_backward(const BackwardInputs &in, int32_t hidden_size) {
  const DeviceBuffer<float> weight(in.weight);
  DeviceBuffer<float> normalized(in.normalized);
  DeviceBuffer<float> scale(in.scale);
  DeviceBuffer<float> scratch(rmt::cuda::norm_scratch(in.rows, hidden_size));
  DeviceBuffer<float> dy(in.dy);
  DeviceBuffer<float> dweight(in.dweight);
  DeviceBuffer<float> dbias(in.dbias);
  rmt::cuda::norm_backward(nullptr, in.rows, hidden_size, weight.data(), {normalized.data(), scale.data()},
                           scratch.data(), dy.data(), dweight.data(), dbias.data());
  return {dy.download(), dweight.download(), dbias.download()};
}

TEST("the backward of LayerNorm is that of plain loops") {
  Comparison inputs("LayerNorm's dx");
  Comparison weights("LayerNorm's dweight");
  Comparison biases("LayerNorm's dbias");
  const auto add = [&](int64_t rows, int32_t hidden_size) {
    const BackwardInputs in(rows, hidden_size);
    const auto actual = norm_backward(in, hidden_size);
    const auto naive = plain_norm_backward<float>(in, hidden_size);
    const auto expected = plain_norm_backward<double>(in, hidden_size);
    const std::string name = "rows " + test::show(rows) + ", H " + test::show(hidden_size);
    inputs.add(name, actual.dx, naive.dx, expected.dx);
    weights.add(name, actual.dweight, naive.dweight, expected.dweight);
    biases.add(name, actual.dbias, naive.dbias, expected.dbias);
  };
  for (const int32_t hidden_size : kHiddenSizes) {
    for (const int64_t rows : {1, 3, 97, 128, 130}) add(rows, hidden_size);
  }
  for (const int32_t hidden_size : {6, 128}) {  // more than one row for each warp
    for (const int64_t rows : {2049, 5000}) add(rows, hidden_size);
  }
  inputs.check();
  weights.check();
  biases.check();
}

TEST("scratch of LayerNorm's backward for many rows is enough for few") {
  int64_t before = 0;
  for (int64_t rows = 0; rows < 20000; ++rows) {
    const int64_t scratch = rmt::cuda::norm_scratch(rows, 6);
    CHECK_THAT(scratch >= before, test::show(rows));
    before = scratch;
  }
}

}  // namespace

RMT_TEST_MAIN()
