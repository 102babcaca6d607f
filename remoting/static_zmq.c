/*
 * libzmq is linked statically into what runs inside other people's programs, so that no version of it
 * can meet theirs. Debian's static libzmq was configured with transports and a security mechanism that
 * hawser never turns on (norm, pgm, GSSAPI); their libraries would bring Kerberos and libxml2 into
 * every guest. These definitions satisfy the linker instead. None can be reached: only a norm:// or
 * pgm:// endpoint or the ZMQ_GSSAPI_* options lead there, and endpoint.c accepts neither.
 */
#include <dlfcn.h>
#include <stdlib.h>

#define UNREACHABLE(name)                                                                                              \
    void name(void);                                                                                                   \
    void name(void) {                                                                                                  \
        abort();                                                                                                       \
    }

/* clang-format off */
UNREACHABLE(NormCreateInstance) UNREACHABLE(NormCreateSession) UNREACHABLE(NormDestroyInstance)
UNREACHABLE(NormDestroySession) UNREACHABLE(NormGetDescriptor) UNREACHABLE(NormGetNextEvent)
UNREACHABLE(NormGetRandomSessionId) UNREACHABLE(NormIsUnicastAddress) UNREACHABLE(NormNodeDelete)
UNREACHABLE(NormObjectGetType) UNREACHABLE(NormObjectGetUserData)
UNREACHABLE(NormObjectSetUserData) UNREACHABLE(NormSetCongestionControl)
UNREACHABLE(NormSetDefaultSyncPolicy) UNREACHABLE(NormSetDefaultUnicastNack)
UNREACHABLE(NormSetLoopback) UNREACHABLE(NormSetMulticastInterface)
UNREACHABLE(NormSetRxPortReuse) UNREACHABLE(NormSetTTL) UNREACHABLE(NormStartReceiver)
UNREACHABLE(NormStartSender) UNREACHABLE(NormStopInstance) UNREACHABLE(NormStopReceiver)
UNREACHABLE(NormStopSender) UNREACHABLE(NormStreamFlush) UNREACHABLE(NormStreamOpen)
UNREACHABLE(NormStreamRead) UNREACHABLE(NormStreamSeekMsgStart) UNREACHABLE(NormStreamWrite)
UNREACHABLE(gss_accept_sec_context) UNREACHABLE(gss_acquire_cred)
UNREACHABLE(gss_delete_sec_context) UNREACHABLE(gss_display_name) UNREACHABLE(gss_import_name)
UNREACHABLE(gss_init_sec_context) UNREACHABLE(gss_release_buffer) UNREACHABLE(gss_release_cred)
UNREACHABLE(gss_release_name) UNREACHABLE(gss_unwrap) UNREACHABLE(gss_wrap)
UNREACHABLE(pgm_bind3) UNREACHABLE(pgm_close) UNREACHABLE(pgm_connect) UNREACHABLE(pgm_error_free)
UNREACHABLE(pgm_free) UNREACHABLE(pgm_freeaddrinfo) UNREACHABLE(pgm_getaddrinfo)
UNREACHABLE(pgm_getsockopt) UNREACHABLE(pgm_gsi_create_from_data) UNREACHABLE(pgm_recvmsgv)
UNREACHABLE(pgm_send) UNREACHABLE(pgm_setsockopt) UNREACHABLE(pgm_socket)
    /* clang-format on */

    /* Data, and the two functions that zmq_ctx_new and zmq_ctx_term call; 1 is success. */
    const void *const GSS_C_NT_HOSTBASED_SERVICE = NULL;
const void *const GSS_C_NT_USER_NAME = NULL;
const void *const NORM_INSTANCE_INVALID = NULL;
const void *const NORM_SESSION_INVALID = NULL;
const void *const NORM_OBJECT_INVALID = NULL;
const unsigned long NORM_NODE_ANY = 0;

int pgm_init(void *error);
int pgm_init(void *error) {
    (void)error;
    return 1;
}

int pgm_shutdown(void);
int pgm_shutdown(void) {
    return 1;
}

/*
 * Debian's static libraries are compiled for executables: they reach libc's variables in a way that only
 * works within one object. Hidden copies of our own keep them right inside a shared library.
 */
#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN char __libc_single_threaded = 0; /* "there may be threads": always safe */
HIDDEN const unsigned char in6addr_any[16] = {0};
HIDDEN void *stderr_copy __asm__("stderr"); /* libzmq writes there before it aborts */

/* Before C++ objects are made, some of which may take it. */
__attribute__((constructor(101))) static void copy_stderr(void) {
    void **real = dlsym(RTLD_DEFAULT, "stderr");
    if (real) stderr_copy = *real;
}
