// CUDA from Go: many goroutines, each bound to a thread of its own, in one context. Go's runtime has its own stacks and
// interrupts its threads with signals.
package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
static void *library;
static int open_library(void) { return (library = dlopen("libcuda.so.1", RTLD_NOW)) != NULL; }
#define CALL(name, types, ...) ((int(*)types)dlsym(library, name))(__VA_ARGS__)
static int init(void) { return CALL("cuInit", (unsigned), 0); }
static int retain(void **c) { return CALL("cuDevicePrimaryCtxRetain", (void **, int), c, 0); }
static int current(void *c) { return CALL("cuCtxSetCurrent", (void *), c); }
static int alloc(unsigned long *p, size_t n) { return CALL("cuMemAlloc_v2", (unsigned long *, size_t), p, n); }
static int fill(unsigned long p, unsigned v, size_t n) { return CALL("cuMemsetD32_v2", (unsigned long, unsigned, size_t), p, v, n); }
static int fetch(void *to, unsigned long p, size_t n) { return CALL("cuMemcpyDtoH_v2", (void *, unsigned long, size_t), to, p, n); }
static int release(unsigned long p) { return CALL("cuMemFree_v2", (unsigned long), p); }
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"
)

func need(what string, status C.int) {
	if status != 0 {
		fmt.Println("FAIL", what, status)
		os.Exit(1)
	}
}

func work(context unsafe.Pointer, value uint32) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	need("cuCtxSetCurrent", C.current(context))
	for round := uint32(0); round < 20; round++ {
		var p C.ulong
		words := make([]uint32, 256)
		need("cuMemAlloc", C.alloc(&p, 1024))
		need("cuMemsetD32", C.fill(p, C.uint(value+round), 256))
		need("cuMemcpyDtoH", C.fetch(unsafe.Pointer(&words[0]), p, 1024))
		for _, w := range words {
			if w != value+round {
				fmt.Println("FAIL value", w, value+round)
				os.Exit(1)
			}
		}
		need("cuMemFree", C.release(p))
		runtime.Gosched()
	}
}

func main() {
	var context unsafe.Pointer
	if C.open_library() == 0 {
		fmt.Println("FAIL no libcuda.so.1")
		os.Exit(1)
	}
	need("cuInit", C.init())
	need("cuDevicePrimaryCtxRetain", C.retain(&context))
	var all sync.WaitGroup
	for i := 0; i < 32; i++ {
		all.Add(1)
		go func(value uint32) {
			defer all.Done()
			work(context, value)
		}(uint32(i) * 1000)
	}
	for i := 0; i < 50; i++ {
		runtime.GC() // stops and starts all threads
	}
	all.Wait()
	fmt.Println("ok")
}
