// Rows of a matrix, a block each: the twins of Backend.row_squares, scale_rows, length_norm and its backward.

// g_i = sum_j x_ij^2.
extern "C" __global__ void row_squares(const real* x, real* g, long long width) {
    x += blockIdx.x * width;
    real own = 0;
    ALONG(j, width) own += x[j] * x[j];
    real total = block_sum(own);
    if (threadIdx.x == 0) g[blockIdx.x] = total;
}

// y_ij = scale_i x_ij; y may be x.
extern "C" __global__ void scale_rows(const real* x, const real* scale, real* y, long long width) {
    long long start = blockIdx.x * width;
    real s = scale[blockIdx.x];
    ALONG(j, width) y[start + j] = s * x[start + j];
}

// r_i = 1 / (tiny + root mean square of row i), 0 for zeros, not a number (root - root) where that is not finite;
// y = r x.
extern "C" __global__ void length_norm(const real* x, real* y, real* r, real tiny, long long width) {
    long long start = blockIdx.x * width;
    real own = 0;
    ALONG(j, width) own += x[start + j] * x[start + j];
    real root = sqrt(block_sum(own) / width);
    real s = root == 0 ? real(0) : isfinite(root) ? 1 / (root + tiny) : root - root;
    if (threadIdx.x == 0) r[blockIdx.x] = s;
    ALONG(j, width) y[start + j] = s * x[start + j];
}

// dx_i = r_i (dy_i - y_i mean_j(dy_ij y_ij)).
extern "C" __global__ void length_norm_backward(
    const real* dy, const real* y, const real* r, real* dx, long long width
) {
    long long start = blockIdx.x * width;
    real own = 0;
    ALONG(j, width) own += dy[start + j] * y[start + j];
    real along = block_sum(own) / width, s = r[blockIdx.x];
    ALONG(j, width) dx[start + j] = s * (dy[start + j] - y[start + j] * along);
}
