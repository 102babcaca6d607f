// CUDA from Rust, which knows nothing of it: libcuda.so.1 is opened, and used from scoped threads.
use std::ffi::CString;
use std::os::raw::{c_char, c_int, c_uint, c_void};

extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

#[derive(Clone, Copy)]
struct Library(*mut c_void);
unsafe impl Send for Library {}
unsafe impl Sync for Library {}

impl Library {
    fn function(&self, name: &str) -> *mut c_void {
        let name = CString::new(name).unwrap();
        let f = unsafe { dlsym(self.0, name.as_ptr()) };
        assert!(!f.is_null(), "{:?}", name);
        f
    }
}

macro_rules! call {
    ($library:expr, $name:literal, ($($t:ty),*), $($a:expr),*) => {{
        let f: extern "C" fn($($t),*) -> c_int = unsafe { std::mem::transmute($library.function($name)) };
        assert_eq!(f($($a),*), 0, $name);
    }};
}

fn work(cuda: Library, context: usize, value: u32) {
    let mut memory = 0u64;
    let mut words = [0u32; 256];
    call!(cuda, "cuCtxSetCurrent", (usize), context);
    call!(cuda, "cuMemAlloc_v2", (*mut u64, usize), &mut memory, 1024);
    call!(cuda, "cuMemsetD32_v2", (u64, c_uint, usize), memory, value, 256);
    call!(cuda, "cuMemcpyDtoH_v2", (*mut u32, u64, usize), words.as_mut_ptr(), memory, 1024);
    assert!(words.iter().all(|w| *w == value));
    call!(cuda, "cuMemFree_v2", (u64), memory);
}

fn main() {
    let name = CString::new("libcuda.so.1").unwrap();
    let cuda = Library(unsafe { dlopen(name.as_ptr(), 2) });
    let mut context = 0usize;
    assert!(!cuda.0.is_null());
    call!(cuda, "cuInit", (c_uint), 0);
    call!(cuda, "cuDevicePrimaryCtxRetain", (*mut usize, c_int), &mut context, 0);
    std::thread::scope(|all| {
        for i in 0..16 {
            all.spawn(move || work(cuda, context, 100 + i));
        }
    });
    println!("ok");
}
