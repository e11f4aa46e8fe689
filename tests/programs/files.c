// Looks at the directory tree of argument 1 in every way there is.
#include "show.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void tree(const char *path, int depth) {
    struct stat st;
    char *names[64], next[1024];
    int n = 0;
    if (lstat(path, &st)) {
        printf("%*s%s: %s\n", depth * 2, "", path, error_name(errno));
        return;
    }
    printf("%*s%s mode %o", depth * 2, "", path, st.st_mode);
    if (!S_ISDIR(st.st_mode))
        printf(" size %ld links %lu", (long)st.st_size, (unsigned long)st.st_nlink);
    if (S_ISREG(st.st_mode))
        printf(" mtime %ld", (long)st.st_mtime);
    puts("");
    if (S_ISLNK(st.st_mode)) {
        long len = readlink(path, next, sizeof next - 1);
        next[len > 0 ? len : 0] = 0;
        printf("%*s-> %s\n", depth * 2, "", next);
    }
    if (!S_ISDIR(st.st_mode) || depth > 6)
        return;
    DIR *d = opendir(path);
    if (!d) {
        printf("opendir %s: %s\n", path, error_name(errno));
        return;
    }
    for (struct dirent *e; (e = readdir(d)) && n < 64;)
        names[n++] = strdup(e->d_name);
    closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++) {
        if (!strcmp(names[i], ".") || !strcmp(names[i], ".."))
            printf("%*s  entry %s\n", depth * 2, "", names[i]);
        else {
            snprintf(next, sizeof next, "%s/%s", path, names[i]);
            tree(next, depth + 1);
        }
        free(names[i]);
    }
}

static void content(const char *dir) {
    char path[1024], a[64] = {0}, b[64] = {0};
    snprintf(path, sizeof path, "%s/text", dir);
    int fd = open(path, O_RDONLY);
    show_ok("open", fd);
    show("read", read(fd, a, 10));
    show("position", lseek(fd, 0, SEEK_CUR));
    show("pread", pread(fd, b, 10, 0));
    printf("same %d\n", !memcmp(a, b, 10));
    show("position after pread", lseek(fd, 0, SEEK_CUR));
    show("seek from the end", lseek(fd, -5, SEEK_END));
    show("read to the end", read(fd, a, sizeof a));
    show("read at the end", read(fd, a, sizeof a));
    int two = dup(fd);
    lseek(two, 3, SEEK_SET);
    show("position is shared", lseek(fd, 0, SEEK_CUR));
    close(two);
    show("the first is still open", lseek(fd, 0, SEEK_CUR));
    struct stat st;
    fstat(fd, &st);
    unsigned long size = (unsigned long)st.st_size;
    char *map = mmap(0, size, PROT_READ, MAP_PRIVATE, fd, 0);
    show_ok("mmap", map == MAP_FAILED ? -errno : 0);
    close(fd);
    if (map != MAP_FAILED) {
        printf("mapped: %.10s\n", map);
        printf("zero behind the end: %d\n", size % 4096 == 0 || map[size] == 0);
    }
    snprintf(path, sizeof path, "%s/big", dir);
    fd = open(path, O_RDONLY);
    char *writable = mmap(0, 20000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    if (writable != MAP_FAILED) {
        char before = writable[5000];
        writable[5000] = (char)(before + 1);
        pread(fd, a, 1, 4096 + 5000);
        printf("private: %d\n", a[0] == before && writable[5000] != before);
    }
    unsigned sum = 0;
    static char all[1 << 16];
    for (long n; (n = read(fd, all, sizeof all)) > 0;)
        for (long i = 0; i < n; i++)
            sum = sum * 31 + (unsigned char)all[i];
    printf("sum %x\n", sum);
}

int main(int argc, char **argv) {
    char path[1024];
    if (argc < 2)
        return 2;
    tree(argv[1], 0);
    content(argv[1]);
    static const char *odd[] = {"loop", "dangling", "link", "link/", "dir/../text", "dir/./nested/../nested/deep", "dir//nested//deep", "dirlink/nested/deep", "dirlink/", "text/", "text/.", "dir/.."};
    for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++) {
        snprintf(path, sizeof path, "%s/%s", argv[1], odd[i]);
        show_ok(path, open(path, O_RDONLY) < 0 ? -errno : 0);
    }
    show_ok("O_NOFOLLOW", (snprintf(path, sizeof path, "%s/link", argv[1]), open(path, O_RDONLY | O_NOFOLLOW)) < 0 ? -errno : 0);
    show("chdir", chdir(argv[1]) ? -errno : 0);
    printf("cwd %s\n", getcwd(path, sizeof path));
    show_ok("relative", open("dir/nested/deep", O_RDONLY));
    int dir = open("dir", O_RDONLY | O_DIRECTORY);
    show_ok("openat", openat(dir, "nested/deep", O_RDONLY));
    show("faccessat", faccessat(dir, "nested/deep", R_OK, 0));
    show("chdir up", chdir("dir/nested/..") ? -errno : 0);
    printf("cwd %s\n", getcwd(path, sizeof path));
    return 0;
}
