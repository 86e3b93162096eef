// Rows that differ in their label alone: the twins of Backend.one_hot, add_labels and add_label_gradients.

// out_ik = 1 where k is label i, else 0, for n rows of k numbers.
extern "C" __global__ void one_hot(const long long* label, real* out, long long n, long long k) {
    EACH(i, n * k) out[i] = label[i / k] == i % k ? 1 : 0;
}

// out_i = scale_i (product_i + sum_k label_ik columns_k) + b; no scale is 1, no b is 0. A block a row.
extern "C" __global__ void add_labels(
    const real* product, const real* label, const real* columns, const real* scale, const real* b, real* out,
    long long width, long long k
) {
    long long start = blockIdx.x * width;
    const real* own = label + blockIdx.x * k;
    real s = scale ? scale[blockIdx.x] : real(1);
    ALONG(j, width) {
        real x = product[start + j];
        for (long long c = 0; c < k; c++)
            if (own[c] != 0) x += own[c] * columns[c * width + j];
        out[start + j] = b ? s * x + b[j] : s * x;
    }
}

// total_i += scale_i dy_i; at_label_c += sum_i label_ic scale_i dy_i, i < n. Blocks (columns, classes): those of the
// first class see to the total as well.
extern "C" __global__ void add_label_gradients(
    const real* dy, const real* label, const real* scale, real* total, real* at_label, long long n, long long width,
    long long k
) {
    long long c = blockIdx.y;
    EACH(j, width) {
        real sum = 0;
        for (long long i = 0; i < n; i++) {
            real own = label[i * k + c];
            if (c > 0 && own == 0) continue;
            real d = (scale ? scale[i] : real(1)) * dy[i * width + j];
            if (c == 0) total[i * width + j] += d;
            if (own != 0) sum += own * d;
        }
        at_label[c * width + j] += sum;
    }
}
