// Random choices: the twins of Backend.uniform, other_by_share and other_evenly.

// out_i = uniform of element first + i, i < n, of Philox 4x32-10 (see lab/backend/philox.py): a thread makes the four
// of one counter. The step is `step`, plus what lies at `step_at` where that is given.
extern "C" __global__ void uniforms(
    real* out, long long n, long long first, unsigned int key0, unsigned int key1, unsigned int stream,
    unsigned long long step, const long long* step_at
) {
    if (step_at) step += (unsigned long long)*step_at;
    long long begin = first / 4, end = (first + n + 3) / 4;
    EACH(q, end - begin) {
        unsigned int c[4] = {
            (unsigned int)(begin + q), stream, (unsigned int)step, (unsigned int)(step >> 32)
        };
        unsigned int k0 = key0, k1 = key1;
        for (int round = 0; round < 10; round++) {
            unsigned long long p0 = (unsigned long long)c[0] * 0xD2511F53u, p1 = (unsigned long long)c[2] * 0xCD9E8D57u;
            unsigned int next0 = (unsigned int)(p1 >> 32) ^ c[1] ^ k0, next2 = (unsigned int)(p0 >> 32) ^ c[3] ^ k1;
            c[0] = next0;
            c[1] = (unsigned int)p1;
            c[2] = next2;
            c[3] = (unsigned int)p0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        for (int word = 0; word < 4; word++) {
            long long i = 4 * (begin + q) + word - first;
            if (i >= 0 && i < n) out[i] = (c[word] >> 8) * real(5.9604644775390625e-8);  // 2^-24
        }
    }
}

// drawn_i = the first class whose cumulative share exceeds u_i of the whole, the class target_i left out, for n rows of
// k shares; all others alike where these have no share. In double, as the reference.
extern "C" __global__ void other_by_share(
    const real* share, const long long* target, const double* u, long long* drawn, long long n, long long k
) {
    EACH(i, n) {
        const real* own = share + i * k;
        double whole = 0;
        for (long long c = 0; c < k; c++)
            if (c != target[i]) whole += own[c];
        bool alike = whole <= 0;
        if (alike) whole = k - 1;
        double limit = u[i] * whole, sum = 0;
        long long found = 0, last = k - 1;
        bool any = false;
        for (long long c = 0; c < k; c++) {
            double mine = c == target[i] ? 0 : alike ? 1 : own[c];
            sum += mine;
            found += sum <= limit;
            if (mine > 0) {
                last = c;
                any = true;
            }
        }
        if (!any) last = k - 1;
        drawn[i] = found < last ? found : last;
    }
}

// drawn_i = the m-th class after target_i, m - 1 = floor(u_i (k - 1)), for n rows.
extern "C" __global__ void other_evenly(
    const long long* target, const double* u, long long* drawn, long long n, long long k
) {
    EACH(i, n) {
        long long m = 1 + (long long)(u[i] * (k - 1));
        drawn[i] = (target[i] + (m < k - 1 ? m : k - 1)) % k;
    }
}
