#include "backtrace.h"

#include <stdio.h>
#include <unistd.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#define MAX_FRAMES 64

void hawser_backtrace(int fd) {
    unw_context_t context;
    unw_cursor_t cursor;
    if (unw_getcontext(&context) != 0 || unw_init_local(&cursor, &context) != 0) return;
    for (int i = 0; i < MAX_FRAMES; i++) {
        unw_word_t ip = 0, offset = 0;
        char name[128] = "?", line[256];
        unw_get_reg(&cursor, UNW_REG_IP, &ip);
        unw_get_proc_name(&cursor, name, sizeof name, &offset);
        int n = snprintf(line, sizeof line, "  #%d %#lx %s+%#lx\n", i, (unsigned long)ip, name, (unsigned long)offset);
        if (n < 0 || write(fd, line, (size_t)n) < 0 || unw_step(&cursor) <= 0) return;
    }
}
