// Bias and relu: the twins of Backend.affine's bias, relu and relu_backward.

// y_ij <- y_ij + b_j; a block a row.
extern "C" __global__ void add_bias(real* y, const real* b, long long width) {
    y += blockIdx.x * width;
    ALONG(j, width) y[j] += b[j];
}

// y = max(x, 0), flat; not a number stays not a number. y may be x.
extern "C" __global__ void relu(const real* x, real* y, long long n) {
    EACH(i, n) y[i] = x[i] <= 0 ? real(0) : x[i];
}

// dx = dy where y > 0, else 0, flat; dx may be dy or y.
extern "C" __global__ void relu_backward(const real* dy, const real* y, real* dx, long long n) {
    EACH(i, n) dx[i] = y[i] > 0 ? dy[i] : real(0);
}

// dx_ij = scale_i rows_ij where y_ij > 0, else 0; rows and dx may be y. A block a row.
extern "C" __global__ void relu_backward_of_rows(
    const real* rows, const real* scale, const real* y, real* dx, long long width
) {
    long long start = blockIdx.x * width;
    real s = scale[blockIdx.x];
    ALONG(j, width) dx[start + j] = y[start + j] > 0 ? s * rows[start + j] : real(0);
}
