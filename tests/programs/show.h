// Printing the result of a raw system call: the value, or the error's name.
#ifndef SHOW_H
#define SHOW_H
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *error_name(int e) {
    static char other[32];
    switch (e) {
#define E(name) case name: return #name;
        E(EPERM) E(ENOENT) E(ESRCH) E(EINTR) E(EIO) E(E2BIG) E(ENOEXEC) E(EBADF) E(ECHILD) E(EAGAIN) E(ENOMEM) E(EACCES)
        E(EFAULT) E(ENOTBLK) E(EBUSY) E(EEXIST) E(EXDEV) E(ENODEV) E(ENOTDIR) E(EISDIR) E(EINVAL) E(ENFILE) E(EMFILE)
        E(ENOTTY) E(ETXTBSY) E(EFBIG) E(ENOSPC) E(ESPIPE) E(EROFS) E(EMLINK) E(EPIPE) E(EDOM) E(ERANGE) E(EDEADLK)
        E(ENAMETOOLONG) E(ENOSYS) E(ENOTEMPTY) E(ELOOP) E(EOVERFLOW) E(EOPNOTSUPP) E(ETIMEDOUT) E(ENXIO) E(ENODATA)
        E(ENOLCK) E(ENOTSOCK) E(EDESTADDRREQ) E(EMSGSIZE) E(EPROTOTYPE) E(ENOPROTOOPT) E(EPROTONOSUPPORT)
        E(ESOCKTNOSUPPORT) E(EAFNOSUPPORT) E(EADDRINUSE) E(EADDRNOTAVAIL) E(ENETUNREACH) E(ECONNABORTED) E(ECONNRESET)
        E(ENOBUFS) E(EISCONN) E(ENOTCONN) E(ECONNREFUSED) E(EALREADY) E(EINPROGRESS) E(ECANCELED) E(ENOKEY)
#undef E
    }
    snprintf(other, sizeof other, "errno %d", e);
    return other;
}

// The value of a raw system call, or minus its errno, without libc's conventions.
static inline long raw(long nr, long a, long b, long c, long d, long e, long f) {
    long ret;
    register long r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
    asm volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return ret;
}
#define RAW(nr, a, b, c, d, e, f) raw(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline void show(const char *what, long result) {
    if (result < 0 && result > -4096)
        printf("%s: %s\n", what, error_name((int)-result));
    else
        printf("%s: %ld\n", what, result);
}

// Like show, for results that are an address or another number of no importance.
static inline void show_ok(const char *what, long result) {
    if (result < 0 && result > -4096)
        printf("%s: %s\n", what, error_name((int)-result));
    else
        printf("%s: ok\n", what);
}
#endif
