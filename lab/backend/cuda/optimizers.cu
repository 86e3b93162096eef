// Optimizer steps over flat arrays: the twins of Backend.sgd_step and adam_step. What changes from step to step lies
// on the device, so that a recorded step can be run again: rate_at multiplies `rate`, step_at is the step's number.

// a = momentum v + share g; v <- a; w <- (1 - rate decay) w - rate a. Without v, a = g; without g, v is the a already.
extern "C" __global__ void sgd(
    real* w, const real* g, real* v, long long n, real rate, const real* rate_at, real momentum, real share, real decay
) {
    rate *= factor(rate_at);
    real shrink = 1 - rate * decay;
    EACH(i, n) {
        real a = !v ? g[i] : !g ? v[i] : momentum * v[i] + share * g[i];
        if (v && g) v[i] = a;
        w[i] = shrink * w[i] - rate * a;
    }
}

// m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
// w <- (1 - rate decay) w - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps).
extern "C" __global__ void adam(
    real* w, const real* g, real* m, real* v, long long n, real rate, const real* rate_at, double beta1, double beta2,
    real eps, real decay, long long step, const long long* step_at
) {
    __shared__ real shared[2];
    if (threadIdx.x == 0) {
        double t = double(step_at ? *step_at : step);
        shared[0] = real(1 / (1 - pow(beta1, t)));
        shared[1] = real(1 / sqrt(1 - pow(beta2, t)));
    }
    __syncthreads();
    rate *= factor(rate_at);
    real pace = rate * shared[0], unbias = shared[1], shrink = 1 - rate * decay;
    real b1 = real(beta1), b2 = real(beta2), share1 = real(1 - beta1), share2 = real(1 - beta2);
    EACH(i, n) {
        real a = b1 * m[i] + share1 * g[i], b = b2 * v[i] + share2 * g[i] * g[i];
        m[i] = a;
        v[i] = b;
        w[i] = shrink * w[i] - pace * a / (sqrt(b) * unbias + eps);
    }
}
