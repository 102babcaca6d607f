! CUDA from Fortran, linked against libcuda.so.1.
program main
  use iso_c_binding
  implicit none
  interface
    integer(c_int) function cuInit(flags) bind(C, name="cuInit")
      import; integer(c_int), value :: flags
    end function
    integer(c_int) function retain(context, device) bind(C, name="cuDevicePrimaryCtxRetain")
      import; type(c_ptr) :: context; integer(c_int), value :: device
    end function
    integer(c_int) function set_current(context) bind(C, name="cuCtxSetCurrent")
      import; type(c_ptr), value :: context
    end function
    integer(c_int) function alloc(memory, bytes) bind(C, name="cuMemAlloc_v2")
      import; integer(c_int64_t) :: memory; integer(c_size_t), value :: bytes
    end function
    integer(c_int) function fill(memory, v, n) bind(C, name="cuMemsetD32_v2")
      import; integer(c_int64_t), value :: memory; integer(c_int), value :: v; integer(c_size_t), value :: n
    end function
    integer(c_int) function fetch(to, memory, bytes) bind(C, name="cuMemcpyDtoH_v2")
      import; integer(c_int) :: to(*); integer(c_int64_t), value :: memory; integer(c_size_t), value :: bytes
    end function
    integer(c_int) function release(memory) bind(C, name="cuMemFree_v2")
      import; integer(c_int64_t), value :: memory
    end function
  end interface
  type(c_ptr) :: context
  integer(c_int64_t) :: memory
  integer(c_int) :: words(256)
  call need(cuInit(0))
  call need(retain(context, 0))
  call need(set_current(context))
  call need(alloc(memory, 1024_c_size_t))
  call need(fill(memory, 4711, 256_c_size_t))
  call need(fetch(words, memory, 1024_c_size_t))
  if (any(words /= 4711)) error stop "wrong words"
  call need(release(memory))
  print "(a)", "ok"
contains
  subroutine need(status)
    integer(c_int), intent(in) :: status
    if (status /= 0) error stop status
  end subroutine
end program
