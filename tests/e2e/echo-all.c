/* Shows what a program is given: arguments, an environment variable, its input; exits with argv[1]. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    int c;
    for (int i = 1; i < argc; i++)
        printf("[%s]", argv[i]);
    printf("{%s}", getenv("HAWSER_TEST_VALUE") ? getenv("HAWSER_TEST_VALUE") : "");
    while ((c = getchar()) != EOF)
        putchar(c);
    fprintf(stderr, "to stderr\n");
    return argc > 1 ? atoi(argv[1]) : 0;
}
