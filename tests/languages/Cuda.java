// CUDA from Java by JNA: a virtual machine with a collector, signals and many threads of its own.
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.util.stream.IntStream;

public class Cuda {
    public interface Driver extends Library {
        int cuInit(int flags);
        int cuDevicePrimaryCtxRetain(PointerByReference context, int device);
        int cuCtxSetCurrent(Pointer context);
        int cuMemAlloc_v2(LongByReference memory, long bytes);
        int cuMemsetD32_v2(long memory, int value, long n);
        int cuMemcpyDtoH_v2(int[] to, long memory, long bytes);
        int cuMemFree_v2(long memory);
    }

    static void need(int status) {
        if (status != 0) throw new RuntimeException("CUDA error " + status);
    }

    public static void main(String[] arguments) {
        Driver cuda = Native.load("cuda", Driver.class);
        PointerByReference context = new PointerByReference();
        need(cuda.cuInit(0));
        need(cuda.cuDevicePrimaryCtxRetain(context, 0));
        IntStream.range(0, 64).parallel().forEach(i -> {
            LongByReference memory = new LongByReference();
            int[] words = new int[256];
            need(cuda.cuCtxSetCurrent(context.getValue()));
            need(cuda.cuMemAlloc_v2(memory, 1024));
            need(cuda.cuMemsetD32_v2(memory.getValue(), i, 256));
            need(cuda.cuMemcpyDtoH_v2(words, memory.getValue(), 1024));
            need(cuda.cuMemFree_v2(memory.getValue()));
            for (int w : words)
                if (w != i) throw new RuntimeException(w + ", not " + i);
            System.gc();
        });
        System.out.println("ok");
    }
}
