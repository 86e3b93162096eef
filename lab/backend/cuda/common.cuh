// What all kernels share. `real` is float or double, given when they are compiled. Sums over a row are made by one
// block in an order that depends on the block's size alone: no atomic operations, so equal inputs give equal bits.

#define LARGEST_BLOCK 256

// A loop in which all threads of all blocks take turns: any grid covers any n.
#define EACH(i, n) \
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < (n); i += (long long)gridDim.x * blockDim.x)

// A loop over a row of which one block takes care.
#define ALONG(j, width) for (long long j = threadIdx.x; j < (width); j += blockDim.x)

// The sum over the block's threads, a power of two of them, for each of them.
__device__ inline real block_sum(real x) {
    __shared__ real part[LARGEST_BLOCK];
    part[threadIdx.x] = x;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    real total = part[0];
    __syncthreads();  // before the next call writes
    return total;
}

// A factor that lies on the device, so that a recorded step reads what it is at the time; none is 1.
__device__ inline real factor(const real* at) { return at ? *at : real(1); }
