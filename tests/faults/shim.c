/* Loaded by LD_PRELOAD before libc: sees every call by which a process changes the files of one directory.
 *
 * Such a call is a boundary. Boundaries are counted; at the n-th the process dies, or from the n-th on the disk is full.
 * What was done is logged, so that a power loss can be replayed on what a killed process left.
 *
 * The calls are made by syscall(2), so nothing here calls what it replaces. Not seen: what libc writes for its own
 * FILE streams (fwrite), writes through a mapping, io_uring.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum operation { CREATE, MKDIR, WRITE, COPY, TRUNCATE, FSYNC, RENAME, LINK, SYMLINK, UNLINK };
static const char *const names[] = {"create", "mkdir", "write",  "copy",    "truncate",
                                    "fsync",  "rename", "link", "symlink", "unlink"};
enum mode { OFF, COUNT, KILL, HALF, FAIL };
enum verdict { REFUSED = -1, PROCEED, HALFWAY };

static char watched[PATH_MAX], backups[PATH_MAX];
static size_t watched_length;
static atomic_int mode, count, saved;
static int target, failure, failing, log_descriptor = -1, no_links, keep_mapped;
static long clock_offset;
static _Thread_local int number; /* of the boundary that this thread is at */

/* -- what the harness calls, by ctypes ----------------------------------------------------------------------- */

/* From now on count the boundaries below `directory` (no symbolic links in it); at the `n`-th do what `how` says.
 * FAIL: calls whose bit is set in `mask` fail with `error`. What is replaced or removed is kept in `backup` (a
 * directory of the same file system), and events are appended to the file `log`; both may be empty. */
void shim_arm(const char *directory, int how, int n, int error, int mask, const char *log, const char *backup)
{
    snprintf(watched, sizeof watched, "%s", directory);
    snprintf(backups, sizeof backups, "%s", backup);
    watched_length = strlen(watched);
    target = n;
    failure = error;
    failing = mask;
    count = saved = 0;
    if (*log)
        log_descriptor =
            syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    mode = how;
}

/* Stop; return how many boundaries there were. */
int shim_disarm(void)
{
    mode = OFF;
    if (log_descriptor >= 0)
        close(log_descriptor);
    log_descriptor = -1;
    return count;
}

/* As on a file system without hard links, symbolic links and shared extents. */
void shim_refuse_links(int refuse) { no_links = refuse; }

/* As on Windows, where a file that somebody has mapped is neither replaced nor removed; renaming it is allowed. */
void shim_keep_mapped(int keep) { keep_mapped = keep; }

/* Shift the wall clock, and the times of files that are synced or touched, by so many seconds. */
void shim_shift_clock(long seconds) { clock_offset = seconds; }

/* -- boundaries ---------------------------------------------------------------------------------------------- */

static void die(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;)
        pause();
}

static int inside(const char *path)
{
    return mode != OFF && strncmp(path, watched, watched_length) == 0
           && (path[watched_length] == '/' || path[watched_length] == 0);
}

/* Write the path of an open file to `path`; tell whether it is one of ours. */
static int of_descriptor(int descriptor, char *path)
{
    char link[64];
    if (mode == OFF)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return inside(path);
}

static int of_name(int directory, const char *name, char *path)
{
    char base[PATH_MAX] = "";
    if (mode == OFF)
        return 0;
    if (*name == '/')
        snprintf(path, PATH_MAX, "%s", name);
    else {
        if (directory == AT_FDCWD)
            syscall(SYS_getcwd, base, sizeof base);
        else
            of_descriptor(directory, base);
        if (strlen(base) + strlen(name) + 2 > PATH_MAX)
            return 0;
        strcat(strcat(strcpy(path, base), "/"), name);
    }
    return inside(path);
}

static int exists(const char *path) { return syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0; }

static enum verdict boundary(enum operation operation, long length)
{
    number = ++count;
    if (mode == KILL && number == target)
        die();
    if (mode == HALF && number == target) {
        if (length > 1)
            return HALFWAY;
        die();
    }
    if (mode == FAIL && number >= target && failing >> operation & 1) {
        errno = failure;
        return REFUSED;
    }
    return PROCEED;
}

/* One line: number of the boundary, operation, path, other path, what was kept, offset, length. */
static void note_all(enum operation operation, const char *path, const char *other, const char *kept, long offset,
                     long length)
{
    char line[3 * PATH_MAX + 128];
    int error = errno;
    if (log_descriptor >= 0) {
        int size = snprintf(line, sizeof line, "%d\t%s\t%s\t%s\t%s\t%ld\t%ld\n", number, names[operation],
                            path, other, kept, offset, length);
        syscall(SYS_write, log_descriptor, line, size);
    }
    errno = error;
}

static void note(enum operation operation, const char *path, long offset, long length)
{
    note_all(operation, path, "", "", offset, length);
}

/* Keep a second link to a file that is about to lose its name; write where, or nothing, to `kept`. */
static void keep(const char *path, char *kept)
{
    int error = errno;
    *kept = 0;
    if (*backups && exists(path)) {
        snprintf(kept, PATH_MAX, "%.*s/%d", PATH_MAX - 16, backups, ++saved);
        if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, kept, 0))
            *kept = 0;
    }
    errno = error;
}

/* -- writes -------------------------------------------------------------------------------------------------- */

static long position(int descriptor)
{
    int flags = syscall(SYS_fcntl, descriptor, F_GETFL);
    return syscall(SYS_lseek, descriptor, 0L, flags & O_APPEND ? SEEK_END : SEEK_CUR);
}

static ssize_t put(int descriptor, const void *data, size_t size, long offset, int positioned)
{
    char path[PATH_MAX];
    int ours = of_descriptor(descriptor, path);
    enum verdict verdict = ours ? boundary(WRITE, size) : PROCEED;
    if (verdict == REFUSED)
        return -1;
    if (verdict == HALFWAY)
        size /= 2;
    if (ours && !positioned)
        offset = position(descriptor);
    ssize_t done = positioned ? syscall(SYS_pwrite64, descriptor, data, size, offset)
                              : syscall(SYS_write, descriptor, data, size);
    if (ours && done > 0)
        note(WRITE, path, offset, done);
    if (verdict == HALFWAY)
        die();
    return done;
}

ssize_t write(int descriptor, const void *data, size_t size) { return put(descriptor, data, size, 0, 0); }
ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    return put(descriptor, data, size, offset, 1);
}
ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset)
{
    return put(descriptor, data, size, offset, 1);
}

/* A vector is written part by part, so that half of it can be. */
static ssize_t put_vector(int descriptor, const struct iovec *parts, int number, long offset, int positioned)
{
    ssize_t total = 0;
    for (int i = 0; i < number; i++) {
        ssize_t done = put(descriptor, parts[i].iov_base, parts[i].iov_len, offset + total, positioned);
        if (done < 0)
            return total ? total : -1;
        total += done;
        if ((size_t)done < parts[i].iov_len)
            break;
    }
    return total;
}

ssize_t writev(int descriptor, const struct iovec *parts, int number)
{
    return put_vector(descriptor, parts, number, 0, 0);
}
ssize_t pwritev(int descriptor, const struct iovec *parts, int number, off_t offset)
{
    return put_vector(descriptor, parts, number, offset, 1);
}
ssize_t pwritev64(int descriptor, const struct iovec *parts, int number, off64_t offset)
{
    return put_vector(descriptor, parts, number, offset, 1);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t size)
{
    char path[PATH_MAX];
    int ours = of_descriptor(out, path);
    struct stat status;
    if (ours && fstat(in, &status) == 0 && size > (size_t)status.st_size)
        size = status.st_size ? status.st_size : 1; /* so that half of it is half of the file */
    enum verdict verdict = ours ? boundary(COPY, size) : PROCEED;
    if (verdict == REFUSED)
        return -1;
    long start = ours ? position(out) : 0;
    ssize_t done = syscall(SYS_sendfile, out, in, offset, verdict == HALFWAY ? size / 2 : size);
    if (ours && done > 0)
        note(COPY, path, start, done);
    if (verdict == HALFWAY)
        die();
    return done;
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t size) { return sendfile(out, in, offset, size); }

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags)
{
    char path[PATH_MAX];
    int ours = of_descriptor(out, path);
    if (ours && no_links) {
        errno = EOPNOTSUPP;
        return -1;
    }
    enum verdict verdict = ours ? boundary(COPY, size) : PROCEED;
    if (verdict == REFUSED)
        return -1;
    long start = ours ? (to ? *to : position(out)) : 0;
    ssize_t done =
        syscall(SYS_copy_file_range, in, from, out, to, verdict == HALFWAY ? size / 2 : size, flags);
    if (ours && done > 0)
        note(COPY, path, start, done);
    if (verdict == HALFWAY)
        die();
    return done;
}

static int resize(int descriptor, long size)
{
    char path[PATH_MAX];
    int ours = of_descriptor(descriptor, path);
    if (ours && boundary(TRUNCATE, 0) == REFUSED)
        return -1;
    int result = syscall(SYS_ftruncate, descriptor, size);
    if (ours && result == 0)
        note(TRUNCATE, path, size, 0);
    return result;
}
int ftruncate(int descriptor, off_t size) { return resize(descriptor, size); }
int ftruncate64(int descriptor, off64_t size) { return resize(descriptor, size); }

static int reserve(int descriptor, int how, long offset, long size)
{
    char path[PATH_MAX];
    int ours = of_descriptor(descriptor, path);
    if (ours && boundary(TRUNCATE, 0) == REFUSED)
        return -1;
    return syscall(SYS_fallocate, descriptor, how, offset, size);
}
int fallocate(int descriptor, int how, off_t offset, off_t size) { return reserve(descriptor, how, offset, size); }
int fallocate64(int descriptor, int how, off64_t offset, off64_t size)
{
    return reserve(descriptor, how, offset, size);
}
int posix_fallocate(int descriptor, off_t offset, off_t size)
{
    return reserve(descriptor, 0, offset, size) ? errno : 0;
}
int posix_fallocate64(int descriptor, off64_t offset, off64_t size)
{
    return reserve(descriptor, 0, offset, size) ? errno : 0;
}

/* -- syncs --------------------------------------------------------------------------------------------------- */

static void shift_times(int descriptor)
{
    struct timespec now[2];
    clock_gettime(CLOCK_REALTIME, &now[0]);
    now[1] = now[0];
    syscall(SYS_utimensat, descriptor, NULL, now, 0);
}

static int sync_one(int descriptor, long call)
{
    char path[PATH_MAX];
    int ours = of_descriptor(descriptor, path);
    if (ours && boundary(FSYNC, 0) == REFUSED)
        return -1;
    if (ours && clock_offset)
        shift_times(descriptor);
    int result = syscall(call, descriptor);
    if (ours && result == 0)
        note(FSYNC, path, 0, 0);
    return result;
}
int fsync(int descriptor) { return sync_one(descriptor, SYS_fsync); }
int fdatasync(int descriptor) { return sync_one(descriptor, SYS_fdatasync); }

/* Tell, where Windows is played, whether a file may not be replaced or removed: somebody holds a lease on it. */
static int kept_by_mapping(const char *path)
{
    int held = 0, descriptor = keep_mapped ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor >= 0) {
        held = syscall(SYS_flock, descriptor, LOCK_EX | LOCK_NB) != 0;
        syscall(SYS_close, descriptor);
    }
    errno = held ? EACCES : errno;
    return held;
}

/* -- names --------------------------------------------------------------------------------------------------- */

static int create(int directory, const char *name, int flags, mode_t permissions)
{
    char path[PATH_MAX];
    int ours = flags & (O_CREAT | O_TRUNC) && (flags & O_TMPFILE) != O_TMPFILE && of_name(directory, name, path);
    struct stat status;
    ours = ours && (!exists(path) || (flags & O_TRUNC && stat(path, &status) == 0 && status.st_size > 0));
    if (ours && boundary(CREATE, 0) == REFUSED)
        return -1;
    int descriptor = syscall(SYS_openat, directory, name, flags, permissions);
    if (ours && descriptor >= 0)
        note(CREATE, path, 0, 0);
    return descriptor;
}

static mode_t permissions_of(int flags, va_list rest)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN(function, parameters, directory)                                                                          \
    int function parameters                                                                                            \
    {                                                                                                                  \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t permissions = permissions_of(flags, rest);                                                              \
        va_end(rest);                                                                                                  \
        return create(directory, name, flags, permissions);                                                            \
    }
OPEN(open, (const char *name, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *name, int flags, ...), AT_FDCWD)
OPEN(openat, (int directory, const char *name, int flags, ...), directory)
OPEN(openat64, (int directory, const char *name, int flags, ...), directory)
int creat(const char *name, mode_t permissions)
{
    return create(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, permissions);
}

/* libstdc++ opens its files so, and writes them by write(2). */
static FILE *open_stream(const char *function, const char *name, const char *how)
{
    char path[PATH_MAX];
    FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, function);
    int ours = (*how == 'w' || *how == 'a') && of_name(AT_FDCWD, name, path) && (*how == 'w' || !exists(path));
    if (ours && boundary(CREATE, 0) == REFUSED)
        return NULL;
    FILE *stream = real(name, how);
    if (ours && stream)
        note(CREATE, path, 0, 0);
    return stream;
}
FILE *fopen(const char *name, const char *how) { return open_stream("fopen", name, how); }
FILE *fopen64(const char *name, const char *how) { return open_stream("fopen64", name, how); }

int mkdirat(int directory, const char *name, mode_t permissions)
{
    char path[PATH_MAX];
    int ours = of_name(directory, name, path) && !exists(path);
    if (ours && boundary(MKDIR, 0) == REFUSED)
        return -1;
    int result = syscall(SYS_mkdirat, directory, name, permissions);
    if (ours && result == 0)
        note(MKDIR, path, 0, 0);
    return result;
}
int mkdir(const char *name, mode_t permissions) { return mkdirat(AT_FDCWD, name, permissions); }

int renameat2(int from, const char *source, int to, const char *name, unsigned flags)
{
    char path[PATH_MAX], other[PATH_MAX], kept[PATH_MAX];
    int ours = of_name(from, source, path);
    ours = of_name(to, name, other) || ours;
    if (ours && kept_by_mapping(other))
        return -1;
    if (ours && boundary(RENAME, 0) == REFUSED)
        return -1;
    if (ours)
        keep(other, kept);
    int result = syscall(SYS_renameat2, from, source, to, name, flags);
    if (ours && result == 0)
        note_all(RENAME, path, other, kept, 0, 0);
    return result;
}
int renameat(int from, const char *source, int to, const char *name)
{
    return renameat2(from, source, to, name, 0);
}
int rename(const char *source, const char *name) { return renameat2(AT_FDCWD, source, AT_FDCWD, name, 0); }

int linkat(int from, const char *source, int to, const char *name, int flags)
{
    char path[PATH_MAX];
    int ours = of_name(to, name, path);
    if (ours && no_links) {
        errno = EPERM;
        return -1;
    }
    if (ours && boundary(LINK, 0) == REFUSED)
        return -1;
    int result = syscall(SYS_linkat, from, source, to, name, flags);
    if (ours && result == 0)
        note_all(LINK, path, source, "", 0, 0);
    return result;
}
int link(const char *source, const char *name) { return linkat(AT_FDCWD, source, AT_FDCWD, name, 0); }

int symlinkat(const char *source, int to, const char *name)
{
    char path[PATH_MAX];
    int ours = of_name(to, name, path);
    if (ours && no_links) {
        errno = EPERM;
        return -1;
    }
    if (ours && boundary(SYMLINK, 0) == REFUSED)
        return -1;
    int result = syscall(SYS_symlinkat, source, to, name);
    if (ours && result == 0)
        note_all(SYMLINK, path, source, "", 0, 0);
    return result;
}
int symlink(const char *source, const char *name) { return symlinkat(source, AT_FDCWD, name); }

int unlinkat(int directory, const char *name, int flags)
{
    char path[PATH_MAX], kept[PATH_MAX];
    int ours = of_name(directory, name, path) && exists(path);
    if (ours && kept_by_mapping(path))
        return -1;
    if (ours && boundary(UNLINK, 0) == REFUSED)
        return -1;
    if (ours)
        keep(path, kept);
    int result = syscall(SYS_unlinkat, directory, name, flags);
    if (ours && result == 0)
        note_all(UNLINK, path, "", kept, 0, 0);
    return result;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

/* -- the clock ----------------------------------------------------------------------------------------------- */

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = syscall(SYS_clock_gettime, clock, time);
    if (clock == CLOCK_REALTIME)
        time->tv_sec += clock_offset;
    return result;
}

int gettimeofday(struct timeval *time, void *zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

/* `touch` asks for the kernel's time, which nobody shifts. */
static int set_times(int directory, const char *name, const struct timespec times[2], int flags)
{
    struct timespec now[2];
    if (clock_offset && !times) {
        clock_gettime(CLOCK_REALTIME, &now[0]);
        now[1] = now[0];
        times = now;
    }
    return syscall(SYS_utimensat, directory, name, times, flags);
}
int utimensat(int directory, const char *name, const struct timespec times[2], int flags)
{
    return set_times(directory, name, times, flags);
}
int futimens(int descriptor, const struct timespec times[2]) { return set_times(descriptor, NULL, times, 0); }
