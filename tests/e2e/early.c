#include <stdio.h>

extern const char *early_answer;

int main(void) {
    puts(early_answer);
    return 0;
}
