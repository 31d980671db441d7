/*
 * Runs a fuzz target over kept inputs, for builds without libFuzzer: each argument is a file or a
 * folder of files. Fails when there is nothing to replay, so that a lost corpus is noticed.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A target may set itself up, as under libFuzzer. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static unsigned long replayed;

static void die(const char *what, const char *path)
{
    fprintf(stderr, "replay: %s: ", what);
    perror(path);
    exit(1);
}

static void replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);

    if (file == NULL || data == NULL)
        die("cannot open", path);
    if (fread(data, 1, size, file) != size)
        die("cannot read", path);
    fclose(file);
    /* The name goes out first: a crash then says which input did it. */
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    replayed++;
}

static void replay_path(const char *path);

static void replay_folder(const char *path)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);

    if (count < 0)
        die("cannot list", path);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.') {
            char *inner;

            if (asprintf(&inner, "%s/%s", path, names[i]->d_name) < 0)
                die("cannot name", path);
            replay_path(inner);
            free(inner);
        }
        free(names[i]);
    }
    free(names);
}

static void replay_path(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        die("cannot find", path);
    if (S_ISDIR(status.st_mode))
        replay_folder(path);
    else
        replay_file(path, (size_t)status.st_size);
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        replay_path(argv[i]);
    fprintf(stderr, "%lu inputs replayed\n", replayed);
    return replayed > 0 ? 0 : 1;
}
