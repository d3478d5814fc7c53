/*
 * plugin_image.c - the bytes of a plugin's file, and the private copy that is mapped instead of it.
 *
 * Owns     the bytes while a plugin is loaded, and each copy until it is dropped.
 * Used by  plugin.c.
 * Uses     libxxhash.
 * Thread   any; nothing is shared.
 */
#include "world/plugin_image.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"

/* Of this machine's word size. */
typedef ElfW(Ehdr) elf_head;
typedef ElfW(Phdr) elf_segment;

static int refuse(char *why, size_t why_size, const char *path, const char *what)
{
    snprintf(why, why_size, "%s: %s", path, what);
    return -1;
}

static int refuse_errno(char *why, size_t why_size, const char *path, const char *what)
{
    snprintf(why, why_size, "%s: %s: %s", path, what, strerror(errno));
    return -1;
}

/* ------------------------------------------------------------------ reading */

/* Reads all of a descriptor that promised len bytes. A file that is being written meanwhile may be shorter:
 * whatever has come by then is looked at like any other file. Returns the bytes read, or -1 with errno. */
static ssize_t read_all(int fd, unsigned char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = read(fd, bytes + done, len - done);

        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            done += (size_t)got;
    }
    return (ssize_t)done;
}

static int read_descriptor(int fd, const char *path, struct image *image, char *why, size_t why_size)
{
    struct stat st;
    ssize_t got;

    if (fstat(fd, &st) < 0)
        return refuse_errno(why, why_size, path, "cannot be looked at");
    if (S_ISDIR(st.st_mode))
        return refuse(why, why_size, path, "is a directory; a plugin is a shared object (cc -shared -fPIC)");
    if (!S_ISREG(st.st_mode))
        return refuse(why, why_size, path,
                      "is not a regular file; a plugin is a shared object (cc -shared -fPIC)");
    if (st.st_size == 0)
        return refuse(why, why_size, path,
                      "is empty; was it being copied? Put it in place with mv, then reload");
    if ((unsigned long long)st.st_size > IMAGE_BYTES_MAX)
        return refuse(why, why_size, path,
                      "is larger than 256 MiB, and no plugin is; strip it or split off its data");
    image->bytes = mem_alloc((size_t)st.st_size);
    got = read_all(fd, image->bytes, (size_t)st.st_size);
    if (got < 0) {
        image_free(image);
        return refuse_errno(why, why_size, path, "cannot be read");
    }
    image->len = (size_t)got;
    return 0;
}

/* Whether len bytes reach to the end of every segment. False also for a file that ends within its headers. */
static bool is_whole(const struct image *image, const elf_head *head)
{
    if (head->e_phentsize != sizeof(elf_segment) || head->e_phoff > image->len ||
        (image->len - head->e_phoff) / sizeof(elf_segment) < head->e_phnum)
        return false;
    for (unsigned i = 0; i < head->e_phnum; i++) {
        elf_segment segment;

        memcpy(&segment, image->bytes + head->e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_offset > image->len || segment.p_filesz > image->len - segment.p_offset)
            return false;
    }
    return true;
}

static int check(const struct image *image, const char *path, char *why, size_t why_size)
{
    elf_head head;

    if (image->len < SELFMAG || memcmp(image->bytes, ELFMAG, SELFMAG) != 0)
        return refuse(
            why, why_size, path,
            "is no shared object (it does not begin like an ELF file); build it with cc -shared -fPIC");
    if (image->len >= sizeof head) {
        memcpy(&head, image->bytes, sizeof head);
        if (head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
            head.e_type != ET_DYN)
            return refuse(why, why_size, path,
                          "is an ELF file, but no shared object for this machine; build it with cc "
                          "-shared -fPIC");
        if (is_whole(image, &head))
            return 0;
    }
    return refuse(why, why_size, path,
                  "is cut short; was it being copied? Put it in place with mv, then reload");
}

int image_read(const char *path, struct image *image, char *why, size_t why_size)
{
    /* Without O_NONBLOCK a named pipe would wait for a writer for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int result;
    XXH128_hash_t content;

    *image = (struct image){ 0 };
    if (fd < 0)
        return refuse_errno(why, why_size, path, "cannot be opened");
    result = read_descriptor(fd, path, image, why, why_size);
    close(fd);
    if (result == 0 && check(image, path, why, why_size) < 0) {
        image_free(image);
        result = -1;
    }
    if (result < 0)
        return -1;
    content = XXH3_128bits(image->bytes, image->len);
    image->content[0] = content.low64;
    image->content[1] = content.high64;
    return 0;
}

void image_free(struct image *image)
{
    free(image->bytes);
    image->bytes = NULL;
}

/* ------------------------------------------------------------------ copying */

static int write_all(int fd, const unsigned char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t put = write(fd, bytes + done, len - done);

        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0)
            done += (size_t)put;
    }
    return 0;
}

#ifdef RM_PLUGIN_COPY_TO_FILE

static int copy_open(const char *name, struct image_copy *copy)
{
    const char *base = getenv("TMPDIR");

    copy->directory = mem_format("%s/ringmaster-XXXXXX", base && base[0] == '/' ? base : "/tmp");
    if (!mkdtemp(copy->directory)) {
        free(copy->directory);
        copy->directory = NULL;
        return -1;
    }
    copy->path = mem_format("%s/%s.so", copy->directory, name);
    copy->fd = open(copy->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
    return copy->fd < 0 ? -1 : 0;
}

static int copy_seal(struct image_copy *copy)
{
    (void)copy; /* the directory is the owner's alone */
    return 0;
}

#else

static int copy_open(const char *name, struct image_copy *copy)
{
    copy->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy->fd < 0)
        return -1;
    copy->path = mem_format("/proc/self/fd/%d", copy->fd);
    return 0;
}

static int copy_seal(struct image_copy *copy)
{
    return fcntl(copy->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

#endif

int image_copy(const struct image *image, const char *name, const char *path, struct image_copy *copy,
               char *why, size_t why_size)
{
    char short_name[128]; /* a memfd's name is limited to 249 bytes, a file's to 255 */

    snprintf(short_name, sizeof short_name, "%s", name);
    *copy = (struct image_copy){ .fd = -1 };
    if (copy_open(short_name, copy) < 0 || write_all(copy->fd, image->bytes, image->len) < 0 ||
        copy_seal(copy) < 0) {
        int error = errno;

        image_copy_drop(copy);
        errno = error;
        return refuse_errno(why, why_size, path, "no private copy of it could be made");
    }
    return 0;
}

void image_copy_drop(struct image_copy *copy)
{
    if (copy->directory) {
        if (copy->path)
            unlink(copy->path);
        rmdir(copy->directory);
    }
    if (copy->fd >= 0)
        close(copy->fd);
    free(copy->path);
    free(copy->directory);
    *copy = (struct image_copy){ .fd = -1 };
}
