/*
 * dlopen and dlmopen, as programs see them. libc's own decide by their return address whose RUNPATH to
 * search, so ours must not stand between: it looks at the name, puts ours in its place where the table
 * in redirect.c says so, and jumps.
 */
#if defined(__x86_64__)
    .text

/* name in \arg; the registers that carry arguments survive the call. */
.macro INTERPOSE symbol, arg, real
    .globl \symbol
    .type \symbol, @function
\symbol:
    .cfi_startproc
    endbr64
    push %rdi
    .cfi_adjust_cfa_offset 8
    push %rsi
    .cfi_adjust_cfa_offset 8
    push %rdx
    .cfi_adjust_cfa_offset 8
    mov \arg, %rdi
    call hawser_redirect
    pop %rdx
    .cfi_adjust_cfa_offset -8
    pop %rsi
    .cfi_adjust_cfa_offset -8
    pop %rdi
    .cfi_adjust_cfa_offset -8
    mov %rax, \arg
    .ifc \symbol, dlopen
    /* a path without $ORIGIN, for which nobody asks who called: see patch.c */
    mov %rdi, %rax
    test %rax, %rax
    jz 2f
1:  cmpb $0, (%rax)
    je 2f
    cmpb $36, (%rax)
    je 2f
    cmpb $'/', (%rax)
    lea 1(%rax), %rax
    jne 1b
    jmp hawser_open_path
    .endif
2:  mov \real(%rip), %rax
    jmp *%rax
    .cfi_endproc
    .size \symbol, .-\symbol
.endm

    INTERPOSE dlopen, %rdi, hawser_real_dlopen
    INTERPOSE dlmopen, %rsi, hawser_real_dlmopen
#endif
    .section .note.GNU-stack, "", @progbits
