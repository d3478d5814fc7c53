/*
 * replay.c - feeds a target the files of its corpus: what was once found stays found, with any compiler.
 *
 *   replay_NAME [--mutate N] FILE|FOLDER...
 *
 * With --mutate each file is also fed N times with a few octets changed, taken out or doubled; the changes
 * are drawn from a generator that starts anew with each file, so a run can be repeated.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

#define INPUT_MAX (1 << 20)

static char current[4096]; /* the file under way, for the one who looks for the fault */
static long mutants;
static size_t files, runs;
static uint64_t state;

static void name_file(int number)
{
    static const char text[] = "\nwhile feeding ";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0 || write(STDERR_FILENO, current, strlen(current)) < 0)
        _exit(2);
    signal(number, SIG_DFL);
    raise(number);
}

/* xorshift64* (S. Vigna) */
static uint64_t draw(uint64_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1dull >> 33) % below;
}

static size_t change_one(uint8_t *bytes, size_t len, size_t room)
{
    static const char likely[] = "\r\n\t :;,=/?0195aAfFxX%\"{}[]()\\\0\x01\x7f\x80\xff+-";
    if (len == 0)
        return 0;
    size_t at = draw(len);
    switch (draw(4)) {
    case 0: bytes[at] = (uint8_t)likely[draw(sizeof likely - 1)]; return len;
    case 1: bytes[at] ^= (uint8_t)(1u << draw(8)); return len;
    case 2: memmove(bytes + at, bytes + at + 1, len - at - 1); return len - 1;
    default: break;
    }
    if (len == room)
        return len;
    memmove(bytes + at + 1, bytes + at, len - at);
    return len + 1;
}

static void feed(const uint8_t *bytes, size_t len)
{
    char *copy = fuzz_copy(bytes, len);
    LLVMFuzzerTestOneInput((uint8_t *)copy, len);
    free(copy);
    runs++;
}

static void feed_file(const char *path)
{
    static uint8_t bytes[INPUT_MAX], mutant[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    demand(file != NULL);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    demand(feof(file));
    fclose(file);
    snprintf(current, sizeof current, "%s", path);
    feed(bytes, len);
    state = 0x9e3779b97f4a7c15ull ^ len;
    for (long i = 0; i < mutants; i++) {
        size_t mutant_len = len;
        memcpy(mutant, bytes, len);
        for (uint64_t changes = 1 + draw(3); changes > 0; changes--)
            mutant_len = change_one(mutant, mutant_len, sizeof mutant);
        feed(mutant, mutant_len);
    }
    files++;
}

static void feed_folder(const char *path)
{
    DIR *folder = opendir(path);
    demand(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char inside[4096];
        if (entry->d_name[0] == '.')
            continue;
        int n = snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        demand(n > 0 && (size_t)n < sizeof inside);
        feed_file(inside);
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--mutate") == 0) {
        mutants = strtol(argv[2], NULL, 10);
        at = 3;
    }
    signal(SIGABRT, name_file);
    signal(SIGSEGV, name_file);
    for (; at < argc; at++) {
        struct stat st;
        demand(stat(argv[at], &st) == 0);
        if (S_ISDIR(st.st_mode))
            feed_folder(argv[at]);
        else
            feed_file(argv[at]);
    }
    printf("%zu files, %zu inputs\n", files, runs);
    return files > 0 ? 0 : 1;
}
