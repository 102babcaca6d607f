// Several streams with pinned memory, asynchronous copies, events that order streams, and elapsed time.
#include <cstdio>
#include <cstdlib>

#define CHECK(call)                                                                              \
    do {                                                                                         \
        cudaError_t e = (call);                                                                  \
        if (e != cudaSuccess) {                                                                  \
            fprintf(stderr, "streams: %s: %s\n", #call, cudaGetErrorString(e));                  \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

const int STREAMS = 4;

__global__ void step(int *x, int n, int add)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = 2 * x[i] + add;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 50021;
    int *host[STREAMS], *device[STREAMS];
    cudaStream_t stream[STREAMS];
    cudaEvent_t begin, end, filled[STREAMS];
    CHECK(cudaEventCreate(&begin));
    CHECK(cudaEventCreate(&end));
    for (int s = 0; s < STREAMS; s++) {
        CHECK(cudaStreamCreateWithFlags(&stream[s], cudaStreamNonBlocking));
        CHECK(cudaEventCreateWithFlags(&filled[s], cudaEventDisableTiming));
        CHECK(cudaMallocHost(&host[s], n * sizeof(int)));
        CHECK(cudaMalloc(&device[s], n * sizeof(int)));
        for (int i = 0; i < n; i++)
            host[s][i] = i + s;
    }
    CHECK(cudaEventRecord(begin, stream[0]));
    for (int s = 0; s < STREAMS; s++) {
        CHECK(cudaMemcpyAsync(device[s], host[s], n * sizeof(int), cudaMemcpyHostToDevice, stream[s]));
        step<<<(n + 127) / 128, 128, 0, stream[s]>>>(device[s], n, s);
        CHECK(cudaEventRecord(filled[s], stream[s]));
    }
    // Stream s goes on with what stream s + 1 made: the event orders them.
    for (int s = 0; s < STREAMS; s++) {
        int from = (s + 1) % STREAMS;
        CHECK(cudaStreamWaitEvent(stream[s], filled[from], 0));
        CHECK(cudaMemcpyAsync(host[s], device[from], n * sizeof(int), cudaMemcpyDeviceToHost, stream[s]));
    }
    for (int s = 1; s < STREAMS; s++)
        CHECK(cudaStreamSynchronize(stream[s]));
    CHECK(cudaEventRecord(end, stream[0]));
    CHECK(cudaEventSynchronize(end));
    float ms = -1;
    CHECK(cudaEventElapsedTime(&ms, begin, end));
    int wrong = 0;
    for (int s = 0; s < STREAMS; s++) {
        int from = (s + 1) % STREAMS;
        for (int i = 0; i < n; i++)
            wrong += host[s][i] != 2 * (i + from) + from;
    }
    for (int s = 0; s < STREAMS; s++) {
        CHECK(cudaFree(device[s]));
        CHECK(cudaFreeHost(host[s]));
        CHECK(cudaEventDestroy(filled[s]));
        CHECK(cudaStreamDestroy(stream[s]));
    }
    bool ok = wrong == 0 && ms > 0;
    printf("streams: %d streams of %d elements, %d wrong, %s time: %s\n", STREAMS, n, wrong,
           ms > 0 ? "positive" : "no", ok ? "PASS" : "FAIL");
    return !ok;
}
