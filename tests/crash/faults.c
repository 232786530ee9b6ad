/* A disk that fails when it is told to: preloaded, it stands before the C library's writes and syncs.
 *
 * FAULT_CONTROL names a file that all processes map: which fault, on whose files, how often, and how often it struck.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NONE, EIO_WRITE, FULL_WRITE, SHORT_WRITE, TORN_WRITE, EIO_SYNC, LOSING_SYNC, FULL_RESERVE };
enum { JOURNAL = 1, DATABASE = 2 };

struct control {
    volatile int32_t fault, where, percent;
    volatile uint32_t hits;
};

static struct control *control(void) {
    static struct control *mapped;
    if (!mapped) {
        const char *name = getenv("FAULT_CONTROL");
        int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
        void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) abort();
        close(fd);
        mapped = at;
    }
    return mapped;
}

static int strikes(int fd, int fault) {
    struct control *told = control();
    static __thread unsigned seed;
    char link[32], path[4096];
    if (told->fault != fault) return 0;
    if (!seed) seed = (unsigned)getpid() * 2654435761u;
    if ((int)(rand_r(&seed) % 100) >= told->percent) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    int of = strstr(path, ".journal") || strstr(path, ".unborn") ? JOURNAL : strstr(path, "ao.db") ? DATABASE : 0;
    if (!(of & told->where)) return 0;
    __sync_fetch_and_add(&told->hits, 1);
    return 1;
}

/* Where each file was good up to, by inode, for a sync that loses what came after. */
static struct { ino_t inode; off_t good; } synced[4096];

static void lose(int fd) {
    struct stat now;
    char link[32], zeros[4096] = {0};
    if (fstat(fd, &now)) return;
    off_t from = synced[now.st_ino % 4096].inode == now.st_ino ? synced[now.st_ino % 4096].good : 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int raw = open(link, O_WRONLY | O_CLOEXEC);
    while (raw >= 0 && from < now.st_size) {
        size_t part = (size_t)(now.st_size - from) < sizeof zeros ? (size_t)(now.st_size - from) : sizeof zeros;
        ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
        if (real(raw, zeros, part, from) <= 0) break;
        from += (off_t)part;
    }
    close(raw);
}

static int sync_with(const char *name, int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    struct stat now;
    if (strikes(fd, EIO_SYNC)) { errno = EIO; return -1; }
    if (strikes(fd, LOSING_SYNC)) { lose(fd); errno = EIO; return -1; }
    int done = real(fd);
    if (!done && !fstat(fd, &now)) {
        synced[now.st_ino % 4096].inode = now.st_ino;
        synced[now.st_ino % 4096].good = now.st_size;
    }
    return done;
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }

/* How much of a write goes through; -1 with errno where nothing does. */
static ssize_t let_through(int fd, size_t count) {
    if (strikes(fd, EIO_WRITE)) { errno = EIO; return -1; }
    if (strikes(fd, FULL_WRITE)) { errno = ENOSPC; return -1; }
    if (count > 1 && strikes(fd, SHORT_WRITE)) return (ssize_t)(count / 2);
    if (count > 1 && strikes(fd, TORN_WRITE)) return -2;
    return (ssize_t)count;
}

ssize_t write(int fd, const void *data, size_t count) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    ssize_t part = let_through(fd, count);
    if (part == -2) { if (real(fd, data, count / 2) < 0) return -1; errno = EIO; return -1; }
    return part < 0 ? -1 : real(fd, data, (size_t)part);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off_t at) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
    ssize_t part = let_through(fd, count);
    if (part == -2) { if (real(fd, data, count / 2, at) < 0) return -1; errno = EIO; return -1; }
    return part < 0 ? -1 : real(fd, data, (size_t)part, at);
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t at) { return pwrite64(fd, data, count, at); }

int fallocate64(int fd, int mode, off_t from, off_t length) {
    int (*real)(int, int, off_t, off_t) = dlsym(RTLD_NEXT, "fallocate64");
    if (strikes(fd, FULL_RESERVE)) { errno = ENOSPC; return -1; }
    return real(fd, mode, from, length);
}
