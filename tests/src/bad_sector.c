// A disk that cannot read one place of one file, and may refuse to sync it. Writes work. Loaded with LD_PRELOAD.
//
// BAD_FILE is the file. The file BAD_CONTROL says `FROM LENGTH SYNC`: where reads fail, and whether syncs do. If SYNC is 2,
// reads never end.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static int control(int fd, long *from, long *len, int *sync) {
    const char *file = getenv("BAD_FILE"), *name = getenv("BAD_CONTROL");
    char link[64], path[4096], text[128];
    if (!file || !name) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, sizeof path - 1);
    if (got <= 0) return 0;
    path[got] = 0;
    if (strcmp(path, file)) return 0;
    int in = open(name, O_RDONLY | O_CLOEXEC);
    if (in < 0) return 0;
    got = syscall(SYS_read, in, text, sizeof text - 1);
    close(in);
    if (got <= 0) return 0;
    text[got] = 0;
    return sscanf(text, "%ld %ld %d", from, len, sync) == 3;
}

static int bad(int fd, off64_t at, size_t count) {
    int kept = errno, sync;
    long from, len;
    int is_set = at >= 0 && control(fd, &from, &len, &sync);
    while (is_set && sync == 2) pause();
    if (is_set && at < from + len && at + (off64_t)count > from) {
        errno = EIO;
        return 1;
    }
    errno = kept;
    return 0;
}

static int refuses_sync(int fd) {
    int kept = errno, sync;
    long from, len;
    if (control(fd, &from, &len, &sync) && sync) {
        errno = EIO;
        return 1;
    }
    errno = kept;
    return 0;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, name)

ssize_t pread64(int fd, void *to, size_t count, off64_t at) {
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
    return bad(fd, at, count) ? -1 : real(fd, to, count, at);
}
ssize_t read(int fd, void *to, size_t count) {
    REAL(ssize_t, "read", int, void *, size_t);
    return bad(fd, lseek64(fd, 0, SEEK_CUR), count) ? -1 : real(fd, to, count);
}
int fsync(int fd) {
    REAL(int, "fsync", int);
    return refuses_sync(fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return refuses_sync(fd) ? -1 : real(fd);
}
// What copies beside these calls is not there.
ssize_t copy_file_range(int a, off64_t *b, int c, off64_t *d, size_t n, unsigned f) { errno = ENOSYS; return -1; }
ssize_t sendfile64(int a, int b, off64_t *c, size_t n) { errno = EINVAL; return -1; }
ssize_t sendfile(int a, int b, off_t *c, size_t n) { errno = EINVAL; return -1; }
