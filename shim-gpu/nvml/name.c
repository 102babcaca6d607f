/* libnvidia-ml.so.1 holds nothing: its functions are found in libhawser-cuda.so.1, which it needs. */
