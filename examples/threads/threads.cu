// A host program with several threads, each with its own stream and its own work on the one device.
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

const int THREADS = 6, ROUNDS = 5;

__global__ void collatz(const unsigned *in, unsigned *steps, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned long long x = in[i];
    unsigned count = 0;
    while (x > 1) {
        x = x % 2 ? 3 * x + 1 : x / 2;
        count++;
    }
    steps[i] = count;
}

static unsigned expected(unsigned long long x)
{
    unsigned count = 0;
    for (; x > 1; count++)
        x = x % 2 ? 3 * x + 1 : x / 2;
    return count;
}

// Number of wrong results, or -1 after a CUDA error.
static int work(int thread, int n)
{
    std::vector<unsigned> in(n), out(n);
    unsigned *din, *dout;
    cudaStream_t stream;
    int wrong = 0;
    if (cudaStreamCreate(&stream) || cudaMalloc(&din, n * 4) || cudaMalloc(&dout, n * 4)) return -1;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < n; i++)
            in[i] = 1 + thread * 1000 + round * 77 + i;
        if (cudaMemcpyAsync(din, in.data(), n * 4, cudaMemcpyHostToDevice, stream)) return -1;
        collatz<<<(n + 63) / 64, 64, 0, stream>>>(din, dout, n);
        if (cudaMemcpyAsync(out.data(), dout, n * 4, cudaMemcpyDeviceToHost, stream)) return -1;
        if (cudaStreamSynchronize(stream)) return -1;
        for (int i = 0; i < n; i++)
            wrong += out[i] != expected(in[i]);
    }
    if (cudaFree(din) || cudaFree(dout) || cudaStreamDestroy(stream)) return -1;
    return wrong;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 333;
    std::vector<std::thread> threads;
    std::vector<int> results(THREADS);
    for (int t = 0; t < THREADS; t++)
        threads.emplace_back([&results, t, n] { results[t] = work(t, n); });
    for (auto &t : threads)
        t.join();
    bool ok = true;
    for (int r : results)
        ok = ok && r == 0;
    printf("threads: %d threads, %d rounds of %d elements: %s\n", THREADS, ROUNDS, n, ok ? "PASS" : "FAIL");
    if (!ok) fprintf(stderr, "threads: %s\n", cudaGetErrorString(cudaGetLastError()));
    return !ok;
}
