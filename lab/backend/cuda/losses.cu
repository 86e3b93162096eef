// Softmax and logistic losses: the twins of Backend.softmax, softmax_loss and logistic_loss. A thread a row.

__device__ inline real largest(const real* x, long long k) {
    real top = x[0];
    for (long long c = 1; c < k; c++)
        if (x[c] > top || x[c] != x[c]) top = x[c];  // not a number stays
    return top;
}

// y_i = softmax(x_i) for n rows of k numbers.
extern "C" __global__ void softmax(const real* x, real* y, long long n, long long k) {
    EACH(i, n) {
        real top = largest(x + i * k, k), sum = 0;
        for (long long c = 0; c < k; c++) sum += y[i * k + c] = exp(x[i * k + c] - top);
        for (long long c = 0; c < k; c++) y[i * k + c] /= sum;
    }
}

// loss_i = -log softmax(x_i)[target_i] and d_i = (softmax(x_i) - onehot(target_i)) / n.
extern "C" __global__ void softmax_loss(
    const real* x, const long long* target, real* loss, real* d, long long n, long long k
) {
    EACH(i, n) {
        real top = largest(x + i * k, k), sum = 0;
        for (long long c = 0; c < k; c++) sum += d[i * k + c] = exp(x[i * k + c] - top);
        loss[i] = log(sum) - (x[i * k + target[i]] - top);
        for (long long c = 0; c < k; c++) d[i * k + c] = (d[i * k + c] / sum - (c == target[i])) / n;
    }
}

// With t = s scale (g_i - theta), s = -1 in rows from `from` to `to` and 1 elsewhere, rows of `width` numbers:
// loss = log(1 + exp(-t)), slope = s (tanh(t / 2) - 1), which is 2 s times minus sigmoid(-t).
extern "C" __global__ void logistic_loss(
    const real* g, real* loss, real* slope, real theta, real scale, long long from, long long to, long long width,
    long long n
) {
    EACH(i, n) {
        real s = i / width >= from && i / width < to ? -1 : 1, t = s * scale * (g[i] - theta);
        loss[i] = t > 0 ? log1p(exp(-t)) : log1p(exp(t)) - t;
        slope[i] = s * (tanh(t / 2) - 1);
    }
}
