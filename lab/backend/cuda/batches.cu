// Batches from data that lie on the device: the twins of Backend.gather. A block a row.

// out_i = scale data_index(i), from bytes.
extern "C" __global__ void gather_bytes(
    const unsigned char* data, const long long* index, real* out, real scale, long long width
) {
    data += index[blockIdx.x] * width;
    out += blockIdx.x * width;
    ALONG(j, width) out[j] = scale * data[j];
}

// out_i = scale data_index(i), from floats.
extern "C" __global__ void gather_reals(
    const real* data, const long long* index, real* out, real scale, long long width
) {
    data += index[blockIdx.x] * width;
    out += blockIdx.x * width;
    ALONG(j, width) out[j] = scale * data[j];
}
