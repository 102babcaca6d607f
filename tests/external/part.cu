// What jitlink.cu links to.
__device__ int part(int x)
{
    return 10 * x;
}
